use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use proptest::prelude::*;

use super::*;

const LINE: &str = "0123456789\n";

fn lines(path: &Path) -> usize {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().count()
}

/// Appends one call after the other until all are written.
fn append_all(file: &mut RotatingFile, records: &[&str]) {
    let mut rest = records;
    while !rest.is_empty() {
        let count = file.append(rest).unwrap();
        rest = &rest[count..];
    }
}

#[test]
fn full_files_move_on_and_the_oldest_goes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("logs/alerts");
    let mut file = RotatingFile::new(path.clone(), 3 * LINE.len() as u64, 2);
    append_all(&mut file, &[LINE; 10]);
    let one = directory.path().join("logs/alerts.1");
    let two = directory.path().join("logs/alerts.2");
    assert_eq!([lines(&path), lines(&one), lines(&two)], [1, 3, 3]);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 3);
    for path in [&path, &one, &two] {
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, 0o600);
    }
}

#[test]
fn another_run_goes_on_with_the_file_and_cuts_what_is_no_whole_record() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("alerts");
    let torn = "x".repeat(20_000);
    for begun in [
        "",
        &format!("{LINE}{torn}"),
        &format!("{LINE}{LINE}"),
        &torn,
    ] {
        fs::write(&path, begun).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let mut file = RotatingFile::new(path.clone(), 1 << 20, 1);
        assert_eq!(file.append(&[LINE]).unwrap(), 1);
        assert_eq!(lines(&path), 1 + begun.matches(LINE).count());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    }
}

#[test]
fn a_file_that_was_moved_or_removed_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("alerts");
    let mut file = RotatingFile::new(path.clone(), 1 << 20, 1);
    append_all(&mut file, &[LINE; 2]);
    fs::rename(&path, directory.path().join("moved")).unwrap();
    append_all(&mut file, &[LINE; 3]);
    assert_eq!(lines(&path), 3);
    fs::remove_file(&path).unwrap();
    append_all(&mut file, &[LINE]);
    assert_eq!(lines(&path), 1);
}

#[test]
fn what_is_no_file_of_its_own_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let precious = directory.path().join("precious");
    fs::write(&precious, "precious\n").unwrap();
    let symbolic = directory.path().join("symbolic");
    std::os::unix::fs::symlink(&precious, &symbolic).unwrap();
    let hard = directory.path().join("hard");
    fs::hard_link(&precious, &hard).unwrap();
    for path in [symbolic, hard, directory.path().to_owned()] {
        let mut file = RotatingFile::new(path.clone(), 1 << 20, 1);
        let error = file.append(&[LINE]).unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious\n");
}

proptest! {
    #[test]
    fn rotation_loses_nothing_and_cuts_no_record(
        sizes in prop::collection::vec(1_usize..60, 1..40), max_bytes in 1_u64..200
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("alerts");
        let mut file = RotatingFile::new(path.clone(), max_bytes, 1_000);
        let records: Vec<String> = sizes
            .iter()
            .enumerate()
            .map(|(number, size)| format!("{number}:{}\n", "x".repeat(*size)))
            .collect();
        let borrowed: Vec<&str> = records.iter().map(String::as_str).collect();
        append_all(&mut file, &borrowed);
        let older = fs::read_dir(directory.path()).unwrap().count() - 1;
        let mut all = String::new();
        for number in (1..=older).rev() {
            all += &fs::read_to_string(directory.path().join(format!("alerts.{number}"))).unwrap();
        }
        let newest = fs::read_to_string(&path).unwrap();
        prop_assert!(newest.len() as u64 <= max_bytes || newest.lines().count() == 1);
        prop_assert_eq!(all + &newest, records.concat());
    }
}

/// The environment variable with which [`a_full_disk_loses_nothing`] runs itself.
const SMALL_DISK: &str = "GRAVLENS_TEST_SMALL_DISK";

#[test]
fn a_full_disk_loses_nothing() {
    if let Some(disk) = std::env::var_os(SMALL_DISK) {
        return on_a_small_disk(Path::new(&disk));
    }
    let directory = tempfile::tempdir().unwrap();
    let test = std::env::current_exe().unwrap();
    // Namespaces of its own: the mount ends with the process.
    let output = std::process::Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-ec"])
        .arg("mount -t tmpfs -o size=64k tmpfs \"$0\"; exec \"$@\"")
        .arg(directory.path())
        .arg(test)
        .args(["--exact", "sinks::file::tests::a_full_disk_loses_nothing"])
        .env(SMALL_DISK, directory.path())
        .output()
        .expect("unshare, of util-linux, makes the namespaces");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(text.contains("1 passed"), "{text}");
}

fn on_a_small_disk(disk: &Path) {
    let path = disk.join("alerts");
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![0; 32 << 10]).unwrap();
    let record = "x".repeat(3_000) + "\n";
    let mut file = RotatingFile::new(path.clone(), 1 << 20, 1);
    let mut written = 0;
    let error = loop {
        match file.append(&[&record]) {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(lines(&path), written);
    file.append(&[&record]).unwrap_err();
    fs::remove_file(&ballast).unwrap();
    file.append(&[&record]).unwrap();
    assert_eq!(lines(&path), written + 1);
}
