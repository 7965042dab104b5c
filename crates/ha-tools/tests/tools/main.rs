//! The tools as they are used: started by their names, on a configuration tree of their own, with scripts that tell what
//! was asked of them.

mod legacy;
mod messages;
mod mlock;
mod propagate;
mod resource_manager;
mod tree;
