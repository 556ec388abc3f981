//! Catalogues of folders made for the purpose.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

fn never(_: &Path) -> bool {
    false
}

fn folder() -> (TempDir, Sources) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("boot");
    fs::create_dir_all(root.join("debian")).unwrap();
    fs::write(root.join("debian/vmlinuz"), b"kernel").unwrap();
    fs::write(root.join("grubx64.efi"), b"MZ").unwrap();
    let sources = Sources { root: Some(root), named: Vec::new() };
    (folder, sources)
}

fn root(sources: &Sources) -> &Path {
    sources.root.as_deref().unwrap()
}

#[test]
fn files_are_served_under_their_names_below_the_root() {
    let (_folder, sources) = folder();
    fs::write(root(&sources).join(".vmlinuz.part"), b"half").unwrap();
    let scan = Images::new(7).scan(&sources, never);
    assert_eq!(scan.catalogue.len(), 2);
    let kernel = scan.catalogue.get("debian/vmlinuz").unwrap();
    assert_eq!((kernel.len, kernel.content_type), (6, "application/octet-stream"));
    assert_eq!(scan.catalogue.get("grubx64.efi").unwrap().content_type, "application/efi");
    assert!(scan.problems.is_empty());
    assert_eq!(scan.table.len(), 2);
}

#[test]
fn links_are_followed_inside_the_root_and_nowhere_else() {
    let (folder, sources) = folder();
    let root = root(&sources);
    fs::write(folder.path().join("secret"), b"secret").unwrap();
    symlink("debian/vmlinuz", root.join("current")).unwrap();
    symlink("../secret", root.join("leak")).unwrap();
    symlink("/etc", root.join("etc")).unwrap();
    symlink(".", root.join("debian/loop")).unwrap();
    symlink("nowhere", root.join("broken")).unwrap();
    let scan = Images::new(7).scan(&sources, never);
    let kernel = scan.catalogue.get("debian/vmlinuz").unwrap().image;
    assert_eq!(scan.catalogue.get("current").unwrap().image, kernel);
    assert_eq!(scan.catalogue.len(), 3);
    let what: Vec<&str> = scan.problems.iter().map(|problem| problem.what.as_str()).collect();
    assert_eq!(what.len(), 3, "{what:?}");
    assert!(what[0].contains("broken is not served: No such file"), "{what:?}");
    assert!(what[1].contains("etc is not served: it leads out of"), "{what:?}");
    assert!(what[2].contains("leak is not served: it leads out of"), "{what:?}");
}

#[test]
fn a_named_file_comes_from_anywhere_and_wins() {
    let (folder, mut sources) = folder();
    let path = folder.path().join("other");
    fs::write(&path, b"another kernel").unwrap();
    sources.named = vec![
        NamedFile { name: "debian/vmlinuz".to_owned(), path: path.clone() },
        NamedFile { name: "files/other".to_owned(), path },
        NamedFile { name: "files/missing".to_owned(), path: folder.path().join("missing") },
    ];
    let scan = Images::new(7).scan(&sources, never);
    assert_eq!(scan.catalogue.get("debian/vmlinuz").unwrap().len, 14);
    let image = |name| scan.catalogue.get(name).unwrap().image;
    assert_eq!(image("debian/vmlinuz"), image("files/other"));
    assert_eq!(scan.problems.len(), 1);
    assert!(scan.problems[0].what.contains("missing: No such file"));
}

#[test]
fn what_did_not_change_keeps_its_image_and_what_did_gets_another() {
    let (_folder, sources) = folder();
    let kernel = root(&sources).join("debian/vmlinuz");
    let mut images = Images::new(7);
    let first = images.scan(&sources, never);
    images.note_served();
    let again = images.scan(&sources, never);
    assert!(again.changes.is_empty());
    assert_eq!(first.catalogue.get("debian/vmlinuz"), again.catalogue.get("debian/vmlinuz"));

    fs::remove_file(root(&sources).join("grubx64.efi")).unwrap();
    fs::write(kernel.with_extension("new"), b"KERNEL").unwrap();
    fs::rename(kernel.with_extension("new"), &kernel).unwrap();
    let later = images.scan(&sources, never);
    let fates: Vec<Fate> = later.changes.iter().map(|(_, fate)| *fate).collect();
    assert_eq!(fates, [Fate::Changed, Fate::Removed]);
    let (before, after) =
        (first.catalogue.get("debian/vmlinuz"), later.catalogue.get("debian/vmlinuz"));
    assert_ne!(before.unwrap().image, after.unwrap().image);
    assert_ne!(before.unwrap().etag, after.unwrap().etag);
    assert_eq!(later.table.len(), 1);
    // The tables of before still hold the two old images.
    assert_eq!(images.reclaim(), 2);
    drop((first, again));
    assert_eq!(images.reclaim(), 0);
}

#[test]
fn changes_are_told_until_they_are_served() {
    let (_folder, sources) = folder();
    let mut images = Images::new(7);
    let refused = images.scan(&sources, never);
    let next = images.scan(&sources, never);
    assert_eq!(next.changes, refused.changes);
    assert_eq!(next.changes.len(), 2);
    images.note_served();
    fs::remove_file(root(&sources).join("grubx64.efi")).unwrap();
    let path = root(&sources).canonicalize().unwrap().join("grubx64.efi");
    let gone = [(path.display().to_string(), Fate::Removed)];
    for _ in 0..2 {
        assert_eq!(images.scan(&sources, never).changes, gone);
    }
}

#[test]
fn a_file_that_is_being_written_stays_as_it_was() {
    let (_folder, sources) = folder();
    let kernel = root(&sources).join("debian/vmlinuz");
    let mut images = Images::new(7);
    let first = images.scan(&sources, never);
    fs::write(&kernel, b"half of a kern").unwrap();
    fs::write(root(&sources).join("debian/initrd.img"), b"half").unwrap();
    let during = images.scan(&sources, |path: &Path| path.parent().unwrap().ends_with("debian"));
    assert_eq!(during.catalogue.get("debian/vmlinuz"), first.catalogue.get("debian/vmlinuz"));
    assert_eq!(during.catalogue.get("debian/initrd.img"), None);
    let after = images.scan(&sources, never);
    assert_eq!(after.catalogue.get("debian/vmlinuz").unwrap().len, 14);
    assert!(after.catalogue.get("debian/initrd.img").is_some());
}

#[test]
fn a_missing_root_is_an_error() {
    let sources = Sources { root: Some(PathBuf::from("/nonexistent/boot")), named: Vec::new() };
    let scan = Images::new(7).scan(&sources, never);
    assert_eq!(scan.problems.len(), 1);
    assert_eq!(scan.problems[0].severity, crate::problem::Severity::Error);
}

#[test]
fn the_watch_tells_when_a_writer_is_done() {
    let (_folder, sources) = folder();
    let (sender, receiver) = mpsc::channel();
    let watch = Watch::new(&sources, move |change| sender.send(change).unwrap()).unwrap();
    let path = root(&sources).join("debian/vmlinuz");
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    std::io::Write::write_all(&mut file, b", longer").unwrap();
    drop(file);
    receiver.recv_timeout(Duration::from_secs(10)).expect("closing the file is a change");
    assert!(!watch.is_written()(&path.canonicalize().unwrap()));
    assert!(!watch.gave_up());
}

#[test]
fn the_watch_sees_a_link_that_is_laid_anew() {
    let (folder, _) = folder();
    let [old, new, link] = ["vmlinuz-1", "vmlinuz-2", "vmlinuz"].map(|n| folder.path().join(n));
    fs::create_dir(folder.path().join("elsewhere")).unwrap();
    fs::write(&old, b"one").unwrap();
    fs::write(&new, b"two").unwrap();
    symlink(&old, &link).unwrap();
    let named = vec![NamedFile { name: "vmlinuz".to_owned(), path: link.clone() }];
    let (sender, receiver) = mpsc::channel();
    let sources = Sources { root: None, named };
    let _watch = Watch::new(&sources, move |change| sender.send(change).unwrap()).unwrap();
    symlink(&new, folder.path().join("elsewhere/link")).unwrap();
    fs::rename(folder.path().join("elsewhere/link"), &link).unwrap();
    receiver.recv_timeout(Duration::from_secs(10)).expect("another link is a change");
}

#[test]
fn dates_and_tags_are_as_http_wants_them() {
    let modified = UNIX_EPOCH + Duration::from_secs(784_111_777);
    assert_eq!(http_date(modified), "Sun, 06 Nov 1994 08:49:37 GMT");
    let meta = ImageMeta { len: 16, modified, device: 1, inode: 255 };
    let tag = etag(&meta);
    assert!(tag.starts_with("\"10-") && tag.ends_with("-ff\""), "{tag}");
    assert_eq!(content_type("EFI/BOOT/BOOTX64.EFI"), "application/efi");
    assert_eq!(content_type("a.b/vmlinuz"), "application/octet-stream");
}
