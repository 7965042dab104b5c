//! ldirectord.cf, as the legacy reads it.
//!
//! | module | responsible for |
//! |---|---|
//! | `odd` | the measured table of odd files |
//! | `corpus` | files found in public; properties that hold for any bytes |
//! | `random` | random files, read by the installed legacy and by us |
//! | `meaning` | what an accepted file means |
//! | `receive` | regular expressions that are none |
//! | `legacy` | how the installed legacy is asked |
//! | `pages` | example, manual page and compatibility page against the parser |
//! | `machine` | this machine, as a parser may ask about it |

mod corpus;
mod legacy;
mod machine;
mod meaning;
mod odd;
mod pages;
mod random;
mod receive;
