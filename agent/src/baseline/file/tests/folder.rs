use std::fs;

use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn files_of_one_workload_are_merged() {
    let more = "workload: image nginx\nroles:\n- role: r\n  run: {dns: [a.example]}\n";
    let other = "workload: image redis\n";
    let folder = folder(&[
        ("b.yaml", REVIEWED),
        ("a.yml", more),
        ("c.yaml", other),
        ("notes.md", "not: [ours"),
        (".hidden.yaml", "not: [ours"),
    ]);
    fs::create_dir(folder.path().join("d.yaml")).unwrap();
    let profiles = merged(read_folder(folder.path()).unwrap());
    let names: Vec<&str> = profiles.keys().map(Workload::text).collect();
    assert_eq!(names, ["image nginx", "image redis"]);
    let mut both = read_back(REVIEWED);
    both.merge(&read_back(more));
    assert_eq!(with(&profiles[&nginx()]), with(&both));
}

#[test]
fn the_first_bad_file_is_named() {
    let folder = folder(&[
        ("a.yaml", REVIEWED),
        ("b.yaml", "wrkload: x\n"),
        ("c.yaml", "["),
    ]);
    let error = read_folder(folder.path()).unwrap_err().to_string();
    let path = folder.path().join("b.yaml");
    let expected = "'wrkload' means nothing here; did you mean 'workload'?";
    assert_eq!(error, format!("{}:1:1: {expected}", path.display()));
    let nowhere = folder.path().join("nowhere");
    let error = read_folder(&nowhere).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("{}: cannot be read: ", nowhere.display())),
        "{error}"
    );
}
