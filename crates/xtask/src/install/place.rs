//! Puts the tree on disk.
//!
//! Files and links are made under a temporary name and renamed into place, so a program that runs meanwhile keeps its
//! own copy and nobody ever sees half a file. On the machine itself, a file of the administrator's below /etc that
//! would be replaced by something else is kept under its name with `.saved` appended, and nobody may execute it any more.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tree::{Entry, LibDir, What, relative};
use crate::Failure;

/// Where the contents come from.
pub(super) struct Sources {
    /// The directory with the built programs.
    pub(super) programs: PathBuf,
    /// `compat/`.
    pub(super) texts: PathBuf,
}

/// Lays out the entries below `destination`; returns notes on what was left undone.
pub(super) fn place(
    entries: &[Entry],
    sources: &Sources,
    libdir: LibDir,
    destination: &Path,
) -> Result<Vec<String>, Failure> {
    fs::create_dir_all(destination).map_err(Failure::at(destination))?;
    let mut notes = Vec::new();
    for entry in entries {
        let path = below(destination, &entry.path);
        match &entry.what {
            What::Directory { mode, owner } => {
                fs::create_dir_all(&path).map_err(Failure::at(&path))?;
                set_mode(&path, *mode)?;
                notes.extend(give_to(&path, owner)?);
            }
            What::Program(name) => {
                let source = sources.programs.join(name);
                let contents = fs::read(&source).map_err(Failure::at(&source))?;
                put(destination, &path, &Content::File(&contents, 0o755))?;
            }
            What::GroupProgram { program, group } => {
                let source = sources.programs.join(program);
                let contents = fs::read(&source).map_err(Failure::at(&source))?;
                put(destination, &path, &Content::File(&contents, 0o555))?;
                notes.extend(give_to_group(&path, group)?);
            }
            What::Text { source, mode } => {
                let source = sources.texts.join(source);
                let text = fs::read_to_string(&source).map_err(Failure::at(&source))?;
                let text = text.replace("@HA_BIN@", libdir.programs());
                put(destination, &path, &Content::File(text.as_bytes(), *mode))?;
            }
            What::Link(target) => put(
                destination,
                &path,
                &Content::Link(&relative(&entry.path, target)),
            )?,
            What::LinkUnlessThere(target) => {
                // A link that leads nowhere is nobody's.
                if !path.exists() {
                    put(
                        destination,
                        &path,
                        &Content::Link(&relative(&entry.path, target)),
                    )?;
                }
            }
        }
    }
    Ok(notes)
}

enum Content<'a> {
    File(&'a [u8], u32),
    Link(&'a str),
}

impl Content<'_> {
    /// Is this already what stands there?
    fn stands_at(&self, path: &Path) -> bool {
        match self {
            Content::File(contents, _) => {
                path.symlink_metadata().is_ok_and(|meta| meta.is_file())
                    && fs::read(path).is_ok_and(|old| old == *contents)
            }
            Content::Link(target) => fs::read_link(path).is_ok_and(|old| old == Path::new(target)),
        }
    }
}

fn put(destination: &Path, path: &Path, content: &Content<'_>) -> Result<(), Failure> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Failure::at(parent))?;
    }
    let on_this_machine = destination == Path::new("/");
    if on_this_machine && path.starts_with("/etc") && path.is_file() && !content.stands_at(path) {
        save(path)?;
    }
    let temporary = with_suffix(path, &format!(".{}", std::process::id()));
    let _ = fs::remove_file(&temporary);
    match content {
        Content::File(contents, mode) => {
            fs::write(&temporary, contents).map_err(Failure::at(&temporary))?;
            set_mode(&temporary, *mode)?;
        }
        Content::Link(target) => symlink(target, &temporary).map_err(Failure::at(&temporary))?,
    }
    fs::rename(&temporary, path).map_err(Failure::at(path))
}

/// Moves a file out of the way. An executable one would go on living under its new name: in /etc/init.d as a service, in
/// rc.d as a handler.
fn save(path: &Path) -> Result<(), Failure> {
    let saved = with_suffix(path, ".saved");
    fs::rename(path, &saved).map_err(Failure::at(&saved))?;
    let meta = fs::symlink_metadata(&saved).map_err(Failure::at(&saved))?;
    if meta.is_file() {
        set_mode(&saved, meta.permissions().mode() & 0o666)?;
    }
    Ok(())
}

fn below(destination: &Path, path: &str) -> PathBuf {
    destination.join(path.trim_start_matches('/'))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn set_mode(path: &Path, mode: u32) -> Result<(), Failure> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(Failure::at(path))
}

/// Gives a directory to a user and his own group. Whether that can be done depends on who installs and on which users
/// exist; what could not be done is a note, because packages do it again on the machine where they are installed.
fn give_to(path: &Path, owner: &str) -> Result<Option<String>, Failure> {
    let Some((user, group)) = ids(owner) else {
        return Ok(Some(format!(
            "no user {owner} here: {} keeps its owner",
            path.display()
        )));
    };
    match chown(path, Some(user), Some(group)) {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Ok((owner != "root").then(|| format!("not root: {} keeps its owner", path.display())))
        }
        Err(error) => Err(Failure::at(path)(error)),
    }
}

/// Lets a program run for a group, whoever starts it. As with [`give_to`], what cannot be done is a note, and the program
/// an ordinary one.
fn give_to_group(path: &Path, group: &str) -> Result<Option<String>, Failure> {
    let Some(id) = group_id(group) else {
        return Ok(Some(format!(
            "no group {group} here: {} runs for whoever starts it",
            path.display()
        )));
    };
    match chown(path, Some(0), Some(id)) {
        // In this order, because a change of the owner takes the bit away.
        Ok(()) => set_mode(path, 0o2555).map(|()| None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(Some(format!(
            "not root: {} runs for whoever starts it",
            path.display()
        ))),
        Err(error) => Err(Failure::at(path)(error)),
    }
}

/// User and group id of a user, as the system's own look-up sees them.
fn ids(user: &str) -> Option<(u32, u32)> {
    if user == "root" {
        return Some((0, 0));
    }
    let line = look_up("passwd", user)?;
    let mut fields = line.trim_end().split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn group_id(group: &str) -> Option<u32> {
    look_up("group", group)?.split(':').nth(2)?.parse().ok()
}

/// The line of one of the system's databases.
fn look_up(database: &str, name: &str) -> Option<String> {
    let output = Command::new("getent")
        .args([database, name])
        .output()
        .ok()?;
    String::from_utf8(output.stdout).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::install::tree;
    use crate::scratch::Scratch;

    /// Installs with stand-ins for the programs.
    fn install(scratch: &Scratch, libdir: LibDir) -> PathBuf {
        let programs = scratch.path().join("built");
        fs::create_dir_all(&programs).unwrap();
        fs::write(programs.join("heartbeat"), "the daemon").unwrap();
        fs::write(programs.join("ha-tools"), "the tools").unwrap();
        fs::write(programs.join("ldirectord"), "the director").unwrap();
        fs::write(programs.join("stonith"), "the fencing").unwrap();
        fs::write(programs.join("cl_status"), "the status").unwrap();
        let sources = Sources {
            programs,
            texts: crate::cargo::workspace().join("compat"),
        };
        let destination = scratch.path().join("tree");
        place(&tree::tree(libdir), &sources, libdir, &destination).unwrap();
        destination
    }

    #[test]
    fn the_tree_is_complete_and_can_be_moved() {
        let scratch = Scratch::new();
        let first = install(&scratch, LibDir::Lib64);
        let moved = scratch.path().join("moved");
        fs::rename(first, &moved).unwrap();
        for entry in tree::tree(LibDir::Lib64) {
            let path = below(&moved, &entry.path);
            let meta =
                fs::metadata(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            match entry.what {
                What::Directory { mode, .. } | What::Text { mode, .. } => {
                    assert_eq!(meta.mode() & 0o7777, mode, "{}", path.display());
                }
                What::Program(_) => assert_eq!(meta.mode() & 0o7777, 0o755),
                What::GroupProgram { group, .. } => {
                    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
                    let wanted = match group_id(group) {
                        Some(id) if is_root => (0o2555, id),
                        _ => (0o555, meta.gid()),
                    };
                    assert_eq!((meta.mode() & 0o7777, meta.gid()), wanted);
                }
                What::LinkUnlessThere(target) => assert_eq!(
                    fs::read(&path).unwrap(),
                    fs::read(below(&moved, &target)).unwrap()
                ),
                What::Link(target) => {
                    let wanted = match target.rsplit('/').next() {
                        Some("ldirectord") => "the director",
                        Some("stonith") => "the fencing",
                        _ => "the tools",
                    };
                    let text = fs::read_to_string(&path).unwrap();
                    assert_eq!(text, wanted, "{}", path.display());
                }
            }
        }
    }

    #[test]
    fn texts_name_the_library_directory() {
        for (libdir, line) in [
            (LibDir::Lib64, "HA_BIN=/usr/lib64/heartbeat\n"),
            (LibDir::Lib, "HA_BIN=/usr/lib/heartbeat\n"),
        ] {
            let scratch = Scratch::new();
            let tree = install(&scratch, libdir);
            let script = fs::read_to_string(tree.join("etc/init.d/heartbeat")).unwrap();
            assert!(script.contains(line), "{script}");
            for name in [
                "etc/init.d/heartbeat",
                "etc/ha.d/shellfuncs",
                "etc/ha.d/harc",
                "etc/ha.d/resource.d/hto-mapfuncs",
                "usr/lib/ocf/lib/heartbeat/ocf-shellfuncs",
            ] {
                assert!(
                    !fs::read_to_string(tree.join(name))
                        .unwrap()
                        .contains("@HA_"),
                    "{name} has an open place"
                );
            }
        }
    }

    #[test]
    fn files_of_the_package_resource_agents_stay() {
        let scratch = Scratch::new();
        let theirs = scratch
            .path()
            .join("tree/usr/lib/ocf/lib/heartbeat/ocf-shellfuncs");
        fs::create_dir_all(theirs.parent().unwrap()).unwrap();
        fs::write(&theirs, "theirs").unwrap();
        install(&scratch, LibDir::Lib64);
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs");
        assert!(theirs.with_file_name("ocf-returncodes").is_symlink());
    }

    #[test]
    fn a_saved_file_cannot_be_executed() {
        let scratch = Scratch::new();
        let script = scratch.path().join("status");
        fs::write(&script, "mine").unwrap();
        set_mode(&script, 0o755).unwrap();
        save(&script).unwrap();
        let saved = scratch.path().join("status.saved");
        assert!(!script.exists());
        assert_eq!(fs::read_to_string(&saved).unwrap(), "mine");
        assert_eq!(fs::metadata(&saved).unwrap().mode() & 0o7777, 0o644);
    }

    #[test]
    fn installing_again_replaces_and_leaves_no_rubbish() {
        let scratch = Scratch::new();
        let tree = install(&scratch, LibDir::Lib64);
        fs::write(tree.join("etc/ha.d/harc"), "old").unwrap();
        install(&scratch, LibDir::Lib64);
        assert_ne!(
            fs::read_to_string(tree.join("etc/ha.d/harc")).unwrap(),
            "old"
        );
        let mut names: Vec<_> = fs::read_dir(tree.join("etc/ha.d"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["README.config", "harc", "rc.d", "resource.d", "shellfuncs"]
        );
    }
}
