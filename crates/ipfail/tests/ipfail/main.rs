//! ipfail against a daemon of the test's own: rules one by one, recordings of a legacy ipfail, and pairs.

mod desk;
mod pair;
mod recording;
mod rules;
mod start;
