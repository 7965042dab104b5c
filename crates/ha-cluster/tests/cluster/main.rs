//! Clusters of real cores on a virtual clock: no sockets, no processes, no sleeping.
//!
//! Each scenario drives two (or more) cores through what an operator or the network does to them and asks, in the end:
//! is every group held by exactly one node, and do the nodes agree?

mod world;

mod admin;
mod chaos;
mod crowd;
mod delivery;
mod fencing;
mod hand_over;
mod membership;
mod mishaps;
mod punctuality;
