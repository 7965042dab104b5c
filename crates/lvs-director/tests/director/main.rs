//! The core against a model of the kernel, on a virtual clock.
mod properties;
mod rules;
mod world;
