//! The client API of the core: recorded conversations with real daemons, and what no recording shows.

mod delivery;
mod facts;
mod limits;
mod pair;
mod refusals;
mod replay;
mod requests;
mod trace;
