//! Artifacts that hold links: to files of other entries, within themselves, and to nothing.

use std::os::unix::fs::symlink;

use super::*;

#[test]
fn a_link_to_a_file_of_another_entry_is_that_file() {
    let (trial, fate) = (Trial::new(), Arc::default());
    trial.run(&fate, BOOT);
    let store = trial.store(&fate, BOOT).unwrap();
    let holder = store.lookup(KIND, &WORKS[0].key()).unwrap();
    let parts = Parts(vec![("name".into(), "linked".into())]);
    let meta = Meta { key: parts.key(), parts, ..WORKS[3].meta() };
    let claim = store.claim(&meta.key).unwrap().unwrap();
    fs::write(claim.out().join("own.txt"), "mine").unwrap();
    symlink(store.link_to(&holder, "a.txt"), claim.out().join("there.txt")).unwrap();
    let entry = store.commit(&claim, meta.clone()).unwrap().unwrap();
    claim.finish();
    assert_eq!(fs::read_to_string(entry.out().join("there.txt")).unwrap(), "took long");
    let sealed = entry.meta().unwrap();
    let record = &sealed.files[1];
    assert_eq!((record.name.as_str(), record.size), ("there.txt", 9));
    assert_eq!(sealed.holders().collect::<Vec<_>>(), [(KIND, holder.key)]);
    // The digest is that of an entry with the bytes themselves.
    let plain = trial_folder();
    fs::write(plain.path().join("own.txt"), "mine").unwrap();
    fs::write(plain.path().join("there.txt"), "took long").unwrap();
    assert_eq!(meta.clone().seal(&Disk::default(), plain.path(), false, |_| Ok(None)).unwrap().0.digest, entry.digest);
    let found = |root: &Path| Store::open_on(root, Disk::default(), BOOT).unwrap().find(KIND, &meta.key);
    assert!(matches!(found(trial.root.path()), Found::Intact(_)));
    // In another place, where no line of the index is believed.
    let moved = trial_folder();
    fs::rename(trial.root.path(), moved.path().join("cache")).unwrap();
    fs::create_dir(trial.root.path()).unwrap();
    let root = moved.path().join("cache");
    fs::remove_file(root.join("index")).unwrap();
    assert!(matches!(found(&root), Found::Intact(_)));
    // Whatever becomes of the file becomes of the entry.
    let file = root.join("entries").join(KIND).join(holder.key.to_string()).join("out/a.txt");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&file, "took lonG").unwrap();
    assert!(matches!(found(&root), Found::Damaged(what) if what.contains("there.txt")));
    fs::remove_file(&file).unwrap();
    assert!(matches!(found(&root), Found::Damaged(_)));
}

#[test]
fn a_link_that_stays_in_its_artifact_is_the_file_that_it_leads_to() {
    let (trial, fate) = (Trial::new(), Arc::default());
    trial.run(&fate, BOOT);
    let store = trial.store(&fate, BOOT).unwrap();
    let parts = Parts(vec![("name".into(), "inner".into())]);
    let meta = Meta { key: parts.key(), parts, ..WORKS[3].meta() };
    let claim = store.claim(&meta.key).unwrap().unwrap();
    fs::create_dir_all(claim.out().join("a/b/c")).unwrap();
    fs::create_dir(claim.out().join("blobs")).unwrap();
    fs::write(claim.out().join("blobs/1"), "bytes").unwrap();
    symlink("../../../blobs/1", claim.out().join("a/b/c/f.txt")).unwrap();
    let entry = store.commit(&claim, meta).unwrap().unwrap();
    claim.finish();
    let files = entry.meta().unwrap().files;
    assert_eq!(
        files.iter().map(|file| (&*file.name, file.size)).collect::<Vec<_>>(),
        [("a/b/c/f.txt", 5), ("blobs/1", 5)]
    );
}

#[test]
fn an_entry_that_is_worth_a_sync_syncs_the_files_that_it_links_to() {
    let (trial, fate) = (Trial::new(), Arc::new(Fate::default()));
    assert!(trial.run(&fate, BOOT));
    let store = trial.store(&fate, BOOT).unwrap();
    // The holder took no time, so nobody has synced it.
    let holder = store.lookup(KIND, &WORKS[1].key()).unwrap();
    let name = &holder.meta().unwrap().files[0].name;
    let file = fs::metadata(holder.out().join(name)).unwrap().ino();
    assert!(!fate.synced.lock().unwrap().contains(&file));
    for (seconds, is_synced) in [(0.1, false), (5.0, true)] {
        let parts = Parts(vec![("seconds".into(), seconds.to_string())]);
        let meta = Meta { key: parts.key(), parts, seconds, ..WORKS[3].meta() };
        let claim = store.claim(&meta.key).unwrap().unwrap();
        fs::create_dir_all(claim.out()).unwrap();
        symlink(store.link_to(&holder, name), claim.out().join("there.txt")).unwrap();
        store.commit(&claim, meta).unwrap().unwrap();
        claim.finish();
        assert_eq!(fate.synced.lock().unwrap().contains(&file), is_synced, "{seconds} s");
    }
}

#[test]
fn a_link_to_a_damaged_or_a_strange_file_of_the_cache_is_refused() {
    let (trial, fate) = (Trial::new(), Arc::default());
    trial.run(&fate, BOOT);
    let store = trial.store(&fate, BOOT).unwrap();
    let holder = store.lookup(KIND, &WORKS[0].key()).unwrap();
    let file = holder.out().join("a.txt");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&file, "took lonG").unwrap();
    let parts = Parts(vec![("name".into(), "linked".into())]);
    let meta = Meta { key: parts.key(), parts, ..WORKS[3].meta() };
    for (name, target) in [
        ("damaged", store.link_to(&holder, "a.txt")),
        ("absent", store.link_to(&holder, "z.txt")),
        ("meta", format!("../../../{KIND}/{}/meta.json", holder.key).into()),
        ("index", "../../../../index".into()),
    ] {
        let claim = store.claim(&meta.key).unwrap().unwrap();
        fs::write(claim.out().join("own.txt"), "mine").unwrap();
        symlink(target, claim.out().join(name)).unwrap();
        let error = store.commit(&claim, meta.clone()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("no intact file of an entry"), "{error}");
        claim.finish();
        assert!(matches!(store.find(KIND, &meta.key), Found::Absent));
    }
}

#[test]
fn a_link_that_leads_nowhere_from_where_the_entry_will_be_is_refused() {
    let (trial, fate) = (Trial::new(), Arc::default());
    let store = trial.store(&fate, BOOT).unwrap();
    let parts = Parts(vec![("name".into(), "links".into())]);
    let meta = Meta { key: parts.key(), parts, ..WORKS[3].meta() };
    let other = trial_folder();
    fs::write(other.path().join("x"), "of the user").unwrap();
    let commit = |name: &str, target: &dyn Fn(&Path) -> PathBuf| {
        let claim = store.claim(&meta.key).unwrap().unwrap();
        fs::create_dir_all(claim.out().join("a/b")).unwrap();
        fs::write(claim.out().join("a/own.txt"), "mine").unwrap();
        symlink(target(&claim.out()), claim.out().join(name)).unwrap();
        let committed = store.commit(&claim, meta.clone()).map(|entry| entry.unwrap().meta().unwrap().files.len());
        claim.finish();
        committed.map_err(|e| e.to_string())
    };
    let dangling = |_: &Path| PathBuf::from("nothing");
    let deep = |_: &Path| PathBuf::from("../../../command/00/out/x");
    let out = |out: &Path| std::path::absolute(out).unwrap().join("a/own.txt");
    let sibling = |_: &Path| PathBuf::from("../../there");
    let folder = |_: &Path| other.path().to_path_buf();
    fs::write(trial.root.path().join("unfinished").join("there"), "beside what is being made").unwrap();
    let refused: [(&str, &dyn Fn(&Path) -> PathBuf); 5] =
        [("gone", &dangling), ("a/gone", &deep), ("gone", &out), ("gone", &sibling), ("a/gone", &folder)];
    for (name, target) in refused {
        let error = commit(name, target).unwrap_err();
        assert!(error.contains(&format!("/{name}: ")) && error.contains("cp -rL"), "{error}");
        assert!(matches!(store.find(KIND, &meta.key), Found::Absent));
    }
    let (inner, up) = (|_: &Path| PathBuf::from("a"), |_: &Path| PathBuf::from("../own.txt"));
    let user = |_: &Path| other.path().join("x");
    let kept: [(&str, &dyn Fn(&Path) -> PathBuf, usize); 3] =
        [("there", &inner, 1), ("a/b/there", &up, 2), ("there", &user, 2)];
    for (name, target, files) in kept {
        assert_eq!(commit(name, target), Ok(files), "{name}");
        store.forget(KIND, &meta.key).unwrap();
    }
}

/// A finished entry whose artifact is what `fill` makes of its folder; the error if it cannot be kept.
fn linked(store: &Store, fill: impl FnOnce(&Path)) -> Result<Entry, String> {
    let parts = Parts(vec![("name".into(), "whole paths".into())]);
    let meta = Meta { key: parts.key(), parts, ..WORKS[3].meta() };
    let claim = store.claim(&meta.key).unwrap().unwrap();
    fs::write(claim.out().join("own.txt"), "mine").unwrap();
    fill(&claim.out());
    let committed = store.commit(&claim, meta).map(Option::unwrap).map_err(|e| e.to_string());
    claim.finish();
    committed
}

/// A cache that is reached through a link.
fn behind_a_link(trial: &Trial, fate: &Arc<Fate>) -> (tempfile::TempDir, Store) {
    let folder = trial_folder();
    symlink(trial.root.path(), folder.path().join("cache")).unwrap();
    let disk = Disk { fate: Some(fate.clone()) };
    let store = Store::open_on(&folder.path().join("cache"), disk, BOOT).unwrap();
    (folder, store)
}

#[test]
fn a_whole_path_to_a_file_of_another_entry_becomes_a_link_that_can_be_moved() {
    let (trial, fate) = (Trial::new(), Arc::default());
    trial.run(&fate, BOOT);
    let (_folder, store) = behind_a_link(&trial, &fate);
    let holder = store.lookup(KIND, &WORKS[0].key()).unwrap();
    let by_way_of_the_link = holder.out().join("a.txt");
    let real = by_way_of_the_link.canonicalize().unwrap();
    let entry = linked(&store, |out| {
        fs::create_dir(out.join("deep")).unwrap();
        symlink(&by_way_of_the_link, out.join("deep/1.txt")).unwrap();
        symlink(&real, out.join("2.txt")).unwrap();
        symlink("2.txt", out.join("1.txt")).unwrap();
    })
    .unwrap();
    let meta = entry.meta().unwrap();
    let names: Vec<&str> = meta.files.iter().map(|file| &*file.name).collect();
    assert_eq!(names, ["1.txt", "2.txt", "deep/1.txt", "own.txt"]);
    assert_eq!(meta.holders().collect::<Vec<_>>(), [(KIND, holder.key); 3]);
    for name in &names[..3] {
        assert!(entry.out().join(name).read_link().unwrap().is_relative(), "{name}");
        assert_eq!(fs::read_to_string(entry.out().join(name)).unwrap(), "took long");
    }
    let reads = || fate.log.lock().unwrap().iter().filter(|name| **name == "read to hash").count();
    let before = reads();
    assert!(store.is_still(&entry) && reads() == before, "the index knows it");
    // Without the other entry it is none.
    fs::remove_dir_all(&holder.folder).unwrap();
    assert!(matches!(store.find(KIND, &entry.key), Found::Damaged(_)));
}

#[test]
fn whole_paths_into_unfinished_work_are_refused_whatever_leads_there() {
    let (trial, fate) = (Trial::new(), Arc::default());
    let (_folder, store) = behind_a_link(&trial, &fate);
    let beside = |out: &Path| out.parent().unwrap().join("beside.txt");
    let real = |path: PathBuf| path.canonicalize().unwrap();
    let refused: [&dyn Fn(&Path) -> PathBuf; 4] = [
        &|out| std::path::absolute(out.join("own.txt")).unwrap(),
        &|out| real(out.join("own.txt")),
        &|out| std::path::absolute(beside(out)).unwrap(),
        &|out| real(beside(out)),
    ];
    for (number, target) in refused.into_iter().enumerate() {
        let error = linked(&store, |out| {
            fs::write(beside(out), "beside what is being made").unwrap();
            symlink(target(out), out.join("there.txt")).unwrap();
        });
        let error = error.unwrap_err();
        assert!(error.contains("there.txt: ") && error.contains("cp -rL"), "{number}: {error}");
    }
}

#[test]
fn a_whole_path_by_way_of_another_entry_to_a_file_of_the_user_needs_that_entry_no_longer() {
    let (trial, fate) = (Trial::new(), Arc::default());
    let store = trial.store(&fate, BOOT).unwrap();
    let user = trial_folder();
    fs::write(user.path().join("x"), "of the user").unwrap();
    let first = linked(&store, |out| symlink(user.path().join("x"), out.join("x")).unwrap()).unwrap();
    let parts = Parts(vec![("name".into(), "second".into())]);
    let meta = Meta { key: parts.key(), parts, ..WORKS[3].meta() };
    let claim = store.claim(&meta.key).unwrap().unwrap();
    symlink(std::path::absolute(first.out().join("x")).unwrap(), claim.out().join("y")).unwrap();
    let second = store.commit(&claim, meta).unwrap().unwrap();
    claim.finish();
    fs::remove_dir_all(&first.folder).unwrap();
    assert!(store.is_still(&second));
    assert_eq!(fs::read_to_string(second.out().join("y")).unwrap(), "of the user");
}
