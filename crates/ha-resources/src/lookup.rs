//! From a resource's name to the script that stands for it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::Paths;

/// Name of the multi-call binary that holds our own agents and handlers, in the library directory.
pub const TOOLS_PROGRAM: &str = "ha-tools";

/// A script that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Where.
    pub path: PathBuf,
    /// Set when the file is our own agent, so that the daemon can do its work in-process. An administrator who puts a
    /// script of his own in its place is thereby respected.
    pub native: Option<NativeAgent>,
}

/// The agents that exist as code of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NativeAgent {
    /// `IPaddr`.
    IpAddr,
    /// `IPaddr2`.
    IpAddr2,
}

impl NativeAgent {
    fn named(name: &str) -> Option<NativeAgent> {
        match name {
            "IPaddr" => Some(NativeAgent::IpAddr),
            "IPaddr2" => Some(NativeAgent::IpAddr2),
            _ => None,
        }
    }
}

/// What the file system says of a path.
pub trait FileFacts {
    /// Is it, links followed, a regular file with an execute permission?
    fn is_executable_file(&self, path: &Path) -> bool;
    /// Is it, links followed, our own multi-call binary?
    fn is_stock(&self, path: &Path) -> bool;
}

/// The script called `name`: the first regular and executable file of that name in `directories`
/// (`resource-protocol.md` 1.4). Nothing else is searched.
pub fn script_in<'a>(
    directories: impl IntoIterator<Item = &'a Path>,
    name: &str,
    facts: &dyn FileFacts,
) -> Option<Script> {
    if name.is_empty() {
        return None;
    }
    directories
        .into_iter()
        .map(|directory| below(directory, name))
        .find(|path| facts.is_executable_file(path))
        .map(|path| {
            let native = NativeAgent::named(name).filter(|_| facts.is_stock(&path));
            Script { path, native }
        })
}

/// Joins by text: `Path::join` would let a name that begins with `/` replace the directory.
fn below(directory: &Path, name: &str) -> PathBuf {
    let mut path = directory.as_os_str().to_owned();
    path.push("/");
    path.push(name);
    PathBuf::from(path)
}

/// What a [`crate::Task`] must be able to ask.
pub trait Lookup {
    /// The script for a resource, or nothing.
    fn script(&self, name: &str) -> Option<Script>;
    /// `rc.d/local_giveip`, if the administrator put one there: called before a group is given up on request
    /// (`resource-protocol.md` 2.5).
    fn local_giveip(&self) -> Option<PathBuf>;
}

/// The machine's own files.
#[derive(Clone, Debug)]
pub struct Installed {
    paths: Paths,
    tools: PathBuf,
}

impl Installed {
    /// `tools` is the path of our own multi-call binary ([`TOOLS_PROGRAM`]). It is looked at afresh at each question,
    /// so that a package upgrade under a running daemon does no harm.
    pub fn new(paths: Paths, tools: impl Into<PathBuf>) -> Self {
        Installed {
            paths,
            tools: tools.into(),
        }
    }

    /// With [`TOOLS_PROGRAM`] where the package puts it.
    pub fn at_standard_place(paths: Paths) -> Self {
        let tools =
            Paths::library(|directory| directory.join(TOOLS_PROGRAM).exists()).join(TOOLS_PROGRAM);
        Installed::new(paths, tools)
    }

    /// The paths.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// The handler for a message type in `rc.d`, executable or not; nothing if there is no such file.
    pub fn handler(&self, kind: &str) -> Option<PathBuf> {
        let path = below(&self.paths.handlers, kind);
        fs::metadata(&path)
            .is_ok_and(|metadata| metadata.is_file())
            .then_some(path)
    }
}

impl FileFacts for Installed {
    fn is_executable_file(&self, path: &Path) -> bool {
        fs::metadata(path)
            .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    }

    fn is_stock(&self, path: &Path) -> bool {
        let identity =
            |path: &Path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
        match (identity(path), identity(&self.tools)) {
            (Ok(file), Ok(tools)) => file == tools,
            _ => false,
        }
    }
}

impl Lookup for Installed {
    fn script(&self, name: &str) -> Option<Script> {
        script_in(
            [self.paths.resources.as_path(), self.paths.init.as_path()],
            name,
            self,
        )
    }

    fn local_giveip(&self) -> Option<PathBuf> {
        let path = below(&self.paths.handlers, "local_giveip");
        self.is_executable_file(&path).then_some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Executable files, and which of them are ours.
    struct Files(&'static [(&'static str, bool)]);

    impl FileFacts for Files {
        fn is_executable_file(&self, path: &Path) -> bool {
            self.0.iter().any(|(file, _)| Path::new(file) == path)
        }

        fn is_stock(&self, path: &Path) -> bool {
            self.0
                .iter()
                .any(|(file, stock)| Path::new(file) == path && *stock)
        }
    }

    fn find(name: &str, files: &'static [(&'static str, bool)]) -> Option<Script> {
        script_in([Path::new("/r"), Path::new("/i")], name, &Files(files))
    }

    #[test]
    fn the_first_directory_wins() {
        let found = find("web", &[("/i/web", false), ("/r/web", false)]).unwrap();
        assert_eq!(
            found,
            Script {
                path: "/r/web".into(),
                native: None
            }
        );
        assert_eq!(
            find("web", &[("/i/web", false)]).unwrap().path,
            Path::new("/i/web")
        );
        assert_eq!(find("web", &[]), None);
        assert_eq!(find("", &[("/r/", false)]), None);
    }

    #[test]
    fn our_own_address_agents_are_native_until_replaced() {
        assert_eq!(
            find("IPaddr", &[("/r/IPaddr", true)]).unwrap().native,
            Some(NativeAgent::IpAddr)
        );
        assert_eq!(
            find("IPaddr2", &[("/r/IPaddr2", true)]).unwrap().native,
            Some(NativeAgent::IpAddr2)
        );
        assert_eq!(
            find("IPaddr", &[("/r/IPaddr", false)]).unwrap().native,
            None
        );
        assert_eq!(find("Other", &[("/r/Other", true)]).unwrap().native, None);
    }

    #[test]
    fn a_name_with_a_leading_slash_stays_below_the_directory() {
        assert_eq!(find("/etc/passwd", &[("/etc/passwd", false)]), None);
    }

    #[test]
    fn links_are_followed_and_modes_and_kinds_matter() {
        let root = std::env::temp_dir().join(format!("ha-resources-lookup-{}", std::process::id()));
        let resources = root.join("resource.d");
        fs::create_dir_all(resources.join("directory")).unwrap();
        let tools = root.join(TOOLS_PROGRAM);
        for (path, mode) in [
            (tools.clone(), 0o755),
            (resources.join("plain"), 0o644),
            (resources.join("own"), 0o755),
        ] {
            fs::write(&path, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        std::os::unix::fs::symlink(&tools, resources.join("IPaddr")).unwrap();
        let paths = Paths {
            resources: resources.clone(),
            init: root.join("none"),
            ..Paths::default()
        };
        let installed = Installed::new(paths, &tools);

        assert_eq!(
            installed.script("IPaddr").unwrap().native,
            Some(NativeAgent::IpAddr)
        );
        assert_eq!(installed.script("own").unwrap().path, resources.join("own"));
        assert_eq!(installed.script("plain"), None);
        assert_eq!(installed.script("directory"), None);
        assert!(installed.is_stock(&resources.join("IPaddr")));
        assert!(!installed.is_stock(&resources.join("own")));
        fs::remove_dir_all(&root).unwrap();
    }
}
