//! Puts the tree on disk.
//!
//! Files and links are made under a temporary name and renamed into place, so a program that runs meanwhile keeps its
//! own copy and nobody ever sees half a file. On the machine itself, what stood in a place and is not ours is kept
//! ([`kept`](super::kept)); a tree for packages is only written.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::kept::{Copied, DIRECTORY, Kept, Mark, Marks};
use super::tree::{Entry, LibDir, MAN, What, relative};
use super::units;
use crate::Failure;

/// Where the contents come from.
pub(super) struct Sources {
    /// The directory with the built programs.
    pub(super) programs: PathBuf,
    /// `compat/`.
    pub(super) texts: PathBuf,
}

/// What a manual page may have at the end of its name. man takes these before ours without.
const COMPRESSED: &[&str] = &["gz", "bz2", "xz", "zst", "lz", "Z"];

/// Lays out the entries below `destination`, a tree to make a package of; returns notes on what was left undone.
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
        let content = Content::of(entry, sources, libdir)?;
        // A link that leads nowhere is nobody's.
        let yields = matches!(entry.what, What::LinkUnlessThere(_)) && path.exists();
        if !yields {
            notes.extend(put(entry, &path, content.as_ref())?);
        }
    }
    Ok(notes)
}

/// Puts the entries on the machine whose root directory this is, and keeps what stood in their places. Returns notes on
/// that, and on what was left undone.
pub(super) fn place_on_machine(
    entries: &[Entry],
    sources: &Sources,
    libdir: LibDir,
    root: &Path,
) -> Result<Vec<String>, Failure> {
    let mut kept = Kept::read(root)?;
    let mut wanted = Vec::new();
    let mut marks = Marks::new();
    for entry in entries {
        let content = Content::of(entry, sources, libdir)?;
        if matches!(entry.what, What::LinkUnlessThere(_))
            && below(root, &entry.path).exists()
            && !kept.is_ours(&entry.path)?
        {
            continue;
        }
        if let Some(content) = &content {
            marks.insert(entry.path.clone(), [content.mark()].into());
        }
        wanted.push((entry, content));
    }
    kept.expect(&marks)?;
    let mut notes = Vec::new();
    let mut originals = 0;
    let mut note = |path: &str, copied: Option<Copied>| match copied {
        Some(Copied::Original) => originals += 1,
        Some(Copied::Later(copy)) => {
            notes.push(format!("{path} was changed: kept as {}", copy.display()));
        }
        None => {}
    };
    for (entry, _) in wanted.iter().filter(|(_, content)| content.is_some()) {
        note(&entry.path, kept.keep(&entry.path)?);
        if entry.path.starts_with(MAN) {
            for suffix in COMPRESSED {
                let page = format!("{}.{suffix}", entry.path);
                note(&page, kept.move_away(&page)?);
            }
        }
    }
    if originals > 0 {
        notes.push(format!(
            "{originals} files that stood in these places are kept in {}; `cargo xtask uninstall` puts them back",
            below(root, DIRECTORY).join("original").display()
        ));
    }
    for (entry, content) in &wanted {
        let path = below(root, &entry.path);
        notes.extend(put(entry, &path, content.as_ref())?);
    }
    kept.done(marks)?;
    notes.extend(units::notes(root));
    Ok(notes)
}

/// Takes our things from the machine whose root directory this is, and puts back what stood in their places. Returns notes
/// on what could not be put back.
///
/// # Errors
/// [`Failure::Usage`] where nothing of ours is recorded.
pub(super) fn take_from_machine(root: &Path) -> Result<Vec<String>, Failure> {
    let kept = Kept::read(root)?;
    if kept.is_empty() {
        return Err(Failure::Usage(format!(
            "nothing was installed here: there is no record in {}",
            below(root, DIRECTORY).display()
        )));
    }
    kept.undo()
}

/// What a file or link is to be.
enum Content {
    File(Vec<u8>, u32),
    Link(String),
}

impl Content {
    /// `None` for a directory.
    fn of(entry: &Entry, sources: &Sources, libdir: LibDir) -> Result<Option<Content>, Failure> {
        let program = |name: &str, mode| {
            let source = sources.programs.join(name);
            let contents = fs::read(&source).map_err(Failure::at(&source))?;
            Ok(Some(Content::File(contents, mode)))
        };
        match &entry.what {
            What::Directory { .. } => Ok(None),
            What::Program(name) => program(name, 0o755),
            What::GroupProgram { program: name, .. } => program(name, 0o555),
            What::Text { source, mode } => {
                let source = sources.texts.join(source);
                let text = fs::read_to_string(&source).map_err(Failure::at(&source))?;
                let text = text.replace("@HA_BIN@", libdir.programs());
                Ok(Some(Content::File(text.into_bytes(), *mode)))
            }
            What::Link(target) | What::LinkUnlessThere(target) => {
                Ok(Some(Content::Link(relative(&entry.path, target))))
            }
        }
    }

    fn mark(&self) -> Mark {
        match self {
            Content::File(contents, _) => Mark::of_file(contents),
            Content::Link(target) => Mark::Link(target.clone()),
        }
    }
}

/// Makes one entry; returns notes on what was left undone.
fn put(entry: &Entry, path: &Path, content: Option<&Content>) -> Result<Vec<String>, Failure> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Failure::at(parent))?;
    }
    match content {
        None => fs::create_dir_all(path).map_err(Failure::at(path))?,
        Some(Content::File(contents, mode)) => put_file(path, contents, *mode)?,
        Some(Content::Link(target)) => {
            let temporary = temporary(path);
            symlink(target, &temporary).map_err(Failure::at(&temporary))?;
            fs::rename(&temporary, path).map_err(Failure::at(path))?;
        }
    }
    let note = match &entry.what {
        What::Directory { mode, owner } => {
            set_mode(path, *mode)?;
            give_to(path, owner)?
        }
        What::GroupProgram { group, .. } => give_to_group(path, group)?,
        _ => None,
    };
    Ok(note.into_iter().collect())
}

/// Writes a file under a temporary name and renames it.
pub(super) fn put_file(path: &Path, contents: &[u8], mode: u32) -> Result<(), Failure> {
    let temporary = temporary(path);
    fs::write(&temporary, contents).map_err(Failure::at(&temporary))?;
    set_mode(&temporary, mode)?;
    fs::rename(&temporary, path).map_err(Failure::at(path))
}

/// A free name beside this one.
pub(super) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let name = PathBuf::from(name);
    // Of somebody who had our number and ended in the middle.
    let _ = fs::remove_file(&name);
    name
}

/// A path of the installed system, in the tree below this directory.
pub(super) fn below(destination: &Path, path: &str) -> PathBuf {
    destination.join(path.trim_start_matches('/'))
}

pub(super) fn set_mode(path: &Path, mode: u32) -> Result<(), Failure> {
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
