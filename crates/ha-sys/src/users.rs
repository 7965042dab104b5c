//! Users and groups of the system, by name.

use std::ffi::CString;
use std::io;

/// A user as far as starting a program for it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Supplementary groups (the primary one included), as `initgroups(3)` would set them.
    pub groups: Vec<u32>,
}

impl Account {
    /// Looks a user up by name; numbers are not accepted (`config-files.md` 7, respawn).
    ///
    /// # Errors
    /// The user database could not be read. An unknown name is `Ok(None)`.
    pub fn by_name(name: &str) -> io::Result<Option<Account>> {
        let Some(user) = nix::unistd::User::from_name(name)? else {
            return Ok(None);
        };
        let c_name =
            CString::new(name).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let groups = nix::unistd::getgrouplist(&c_name, user.gid)?;
        Ok(Some(Account {
            name: name.to_owned(),
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
            groups: groups.into_iter().map(|group| group.as_raw()).collect(),
        }))
    }
}

/// The id of a user, if there is one of that name.
pub fn user_id(name: &str) -> Option<u32> {
    nix::unistd::User::from_name(name)
        .ok()
        .flatten()
        .map(|user| user.uid.as_raw())
}

/// The id of a group, if there is one of that name.
pub fn group_id(name: &str) -> Option<u32> {
    nix::unistd::Group::from_name(name)
        .ok()
        .flatten()
        .map(|group| group.gid.as_raw())
}

/// We run as root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_root_and_nobody_else() {
        let root = Account::by_name("root").unwrap().unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.groups.contains(&0));
        assert_eq!(Account::by_name("no-such-user-here").unwrap(), None);
        assert_eq!(user_id("root"), Some(0));
        assert_eq!(group_id("no-such-group-here"), None);
    }
}
