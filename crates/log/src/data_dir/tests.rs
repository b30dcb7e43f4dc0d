//! Lock, versions, clean and unclean ends, partition directories.

use super::*;

fn open(path: &Path) -> Result<DataDir, DataDirError> {
    DataDir::open(path, || "cluster".to_owned())
}

#[test]
fn a_directory_in_use_is_refused_until_it_is_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).unwrap();
    let second = open(dir.path()).unwrap_err();
    assert!(matches!(second, DataDirError::InUse { .. }), "{second}");
    drop(first);
    open(dir.path()).unwrap();
}

#[test]
fn a_directory_written_by_a_newer_version_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).unwrap().close().unwrap();
    let meta = dir.path().join(META);
    let newer = fs::read_to_string(&meta).unwrap().replace("version=1", "version=2");
    fs::write(&meta, &newer).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(error, DataDirError::NewerVersion { found: 2, known: 1, .. }), "{error}");
    assert_eq!(fs::read_to_string(&meta).unwrap(), newer);
    assert!(dir.path().join(CLEAN).exists());
}

#[test]
fn damaged_properties_are_an_error_that_says_what_is_missing() {
    for text in ["", "junk", "forebay.format.version=1\n", "forebay.format.version=x\n"] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(META), text).unwrap();
        let error = open(dir.path()).unwrap_err();
        assert!(matches!(error, DataDirError::Damaged { .. }), "{error}");
    }
}

#[test]
fn a_directory_that_holds_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.txt"), "").unwrap();
    assert!(matches!(open(dir.path()).unwrap_err(), DataDirError::Foreign { .. }));
    fs::rename(dir.path().join("thesis.txt"), dir.path().join("lost+found")).unwrap();
    open(dir.path()).unwrap();
}

#[test]
fn a_file_in_its_place_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = open(&file).unwrap_err().to_string();
    assert!(error.ends_with("a file is there, and the data need a directory"), "{error}");
}

#[test]
fn the_leader_epoch_grows_with_each_unclean_end_only() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).unwrap();
    assert_eq!((first.was_clean(), first.leader_epoch(), first.cluster_id()), (true, 0, "cluster"));
    drop(first);
    let second = DataDir::open(dir.path(), || unreachable!("the cluster has an id")).unwrap();
    assert_eq!((second.was_clean(), second.leader_epoch()), (false, 1));
    assert_eq!(second.cluster_id(), "cluster");
    second.close().unwrap();
    let third = open(dir.path()).unwrap();
    assert_eq!((third.was_clean(), third.leader_epoch()), (true, 1));
    drop(third);
    assert_eq!(open(dir.path()).unwrap().leader_epoch(), 2, "the clean mark is used up");
}

#[test]
fn partitions_are_listed_with_their_topics_ids() {
    let dir = tempfile::tempdir().unwrap();
    let data = open(dir.path()).unwrap();
    let id = [0xfb; 16];
    let created = data.create_partitions("a-b.c_1", id, 0..3).unwrap();
    assert_eq!(created[2].topic_id, Some(id));
    assert_eq!(created[2].path, dir.path().join("a-b.c_1-2"));
    let text = fs::read_to_string(created[0].path.join(PARTITION_META)).unwrap();
    assert_eq!(text, "version: 0\ntopic_id: -_v7-_v7-_v7-_v7-_v7-w\n");
    for odd in ["noise", "t-01", "t-+1", "-1", "t-99999999999"] {
        fs::create_dir(dir.path().join(odd)).unwrap();
    }
    assert_eq!(data.partitions().unwrap(), created);
    let error = data.create_partitions("a-b.c_1", id, 2..4).unwrap_err();
    assert!(matches!(error, DataDirError::Exists { partition: 2, .. }));
}

#[test]
fn a_deleted_partition_is_gone_at_once_and_its_name_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let data = open(dir.path()).unwrap();
    let id = [1; 16];
    data.create_partitions("t", id, 0..2).unwrap();
    data.delete_partition("t", 0).unwrap();
    data.delete_partition("t", 0).unwrap();
    assert_eq!(data.partitions().unwrap().len(), 1);
    data.create_partitions("t", id, 0..1).unwrap();
    data.delete_partition("t", 0).unwrap();
}

#[test]
fn a_deletion_that_a_crash_interrupted_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let data = open(dir.path()).unwrap();
    let half = dir.path().join("0-delete");
    fs::create_dir(&half).unwrap();
    fs::write(half.join("00000000000000000000.log"), "x").unwrap();
    data.create_partitions("t", [1; 16], 0..1).unwrap();
    data.delete_partition("t", 0).unwrap();
    assert_eq!(data.partitions().unwrap(), []);
    assert!(!half.exists());
}

#[test]
fn names_that_could_lead_elsewhere_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = open(dir.path()).unwrap();
    let long = "x".repeat(250);
    for name in ["", ".", "..", "../x", "a/b", "a b", "ä", "a\0", &long] {
        let error = data.create_partitions(name, [0; 16], 0..1).unwrap_err();
        assert!(matches!(error, DataDirError::TopicName { .. }), "{name:?}");
        assert!(data.delete_partition(name, 0).is_err());
    }
    data.create_partitions(&long[..249], [0; 16], 0..1).unwrap();
    data.delete_partition(&long[..249], 0).unwrap();
}
