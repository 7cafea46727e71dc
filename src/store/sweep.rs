//! What goes when a cache is pruned: one list, made from everything that is there, is both shown and carried out.
//! Who needs an entry is told from outside; here only sizes, ages and the order count.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use walkdir::WalkDir;

use super::entry::{Meta, PORTION};
use super::key::Key;
use super::{Result, Store, children, digest, index, lock, memory};

/// What an item is.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A complete entry.
    Entry(Box<Meta>),
    /// Work on this key that was interrupted: its checkpoints.
    Unfinished(Key),
    /// An entry that holds no longer what it held, or the rest of one.
    Damaged,
}

/// One folder of a cache.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What it is.
    pub what: What,
    /// Where it is.
    pub folder: PathBuf,
    /// Bytes of all that it holds.
    pub size: u64,
    /// When it was made or last used, seconds since 1970.
    pub used: u64,
    /// Who needs it, in words.
    pub keepers: Vec<String>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Remove only until the cache has at most so many bytes.
    pub max_size: Option<u64>,
    /// Remove only what was not used for so many seconds.
    pub older_than: Option<u64>,
}

/// Interrupted work stays this long, in seconds, if no age is asked for, and so do portions that no entry uses: it may be gone
/// on with.
const WEEK: u64 = 7 * 86400;

impl Item {
    /// The key that it is about.
    pub fn key(&self) -> Option<Key> {
        match &self.what {
            What::Entry(meta) => Some(meta.key),
            What::Unfinished(key) => Some(*key),
            What::Damaged => None,
        }
    }
}

impl What {
    /// Whether it is part of work that may be gone on with, if no entry uses it.
    fn is_part(&self) -> bool {
        match self {
            Self::Damaged => false,
            Self::Entry(meta) => meta.kind.ends_with(PORTION),
            Self::Unfinished(_) => true,
        }
    }
}

/// The list of what goes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sweep {
    /// Positions of the items, in the order in which they go.
    pub remove: Vec<usize>,
    /// Bytes that this frees.
    pub freed: u64,
    /// Bytes that stay.
    pub left: u64,
    /// Bytes of items that stay because somebody needs them.
    pub kept: u64,
    /// Bytes of items that stay because they are too young.
    pub young: u64,
}

/// Chooses what goes: damaged things that nobody has a file of, then what nobody needs, the longest unused first. An entry that
/// holds files of others is needed and used as they are, and goes after them. `rest` are the bytes of the cache outside of
/// `items`, which never go.
pub fn choose(items: &[Item], rest: u64, limits: &Limits, now: u64) -> Sweep {
    let total = rest + items.iter().map(|item| item.size).sum::<u64>();
    let mut sweep = Sweep { left: total, ..Sweep::default() };
    let users = users(items);
    let used = |i: usize| users[i].iter().map(|user| items[*user].used).fold(items[i].used, u64::max);
    let is_kept = |i: usize| std::iter::once(&i).chain(&users[i]).any(|item| !items[*item].keepers.is_empty());
    // What of it is damaged may be no file that a user has of it.
    let is_rest = |i: usize| items[i].what == What::Damaged && users[i].is_empty();
    let is_old = |i: usize| {
        let least = if is_rest(i) { Some(0) } else { limits.older_than };
        let default = if items[i].what.is_part() && users[i].is_empty() { WEEK } else { 0 };
        now.saturating_sub(used(i)) >= least.unwrap_or(default)
    };
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|i| (!is_rest(*i), used(*i), !users[*i].is_empty(), &items[*i].folder));
    for i in order {
        let item = &items[i];
        let wanted = is_rest(i) || limits.max_size.is_none_or(|max| sweep.left > max);
        let is_free = !is_kept(i) && is_old(i);
        if wanted && is_free {
            sweep.remove.push(i);
            sweep.freed += item.size;
            sweep.left -= item.size;
        } else if is_kept(i) {
            sweep.kept += item.size;
        } else if !is_free {
            sweep.young += item.size;
        }
    }
    sweep
}

/// Of each item the positions of those whose files it holds.
pub fn users(items: &[Item]) -> Vec<Vec<usize>> {
    let entry = |item: &Item| match &item.what {
        What::Entry(meta) => Some(meta.key),
        // In its place still; what was moved aside has another name.
        What::Damaged => Key::parse(&item.folder.file_name()?.to_string_lossy()),
        What::Unfinished(_) => None,
    };
    let places: HashMap<Key, usize> =
        items.iter().enumerate().filter_map(|(i, item)| Some((entry(item)?, i))).collect();
    let mut users = vec![Vec::new(); items.len()];
    for (user, item) in items.iter().enumerate() {
        let What::Entry(meta) = &item.what else { continue };
        meta.holders().filter_map(|(_, key)| places.get(&key)).for_each(|holder| users[*holder].push(user));
    }
    users
}

impl Store {
    /// Everything that could go, and the bytes of all the rest.
    pub fn inventory(&self) -> (Vec<Item>, u64) {
        let mut items: Vec<Item> = self.places().into_iter().map(|(folder, meta)| of_entry(folder, meta)).collect();
        for folder in children(&self.root.join(lock::FOLDER)) {
            let key = lock::key_of(&folder);
            items.push(plain(folder, key.map_or(What::Damaged, What::Unfinished)));
        }
        items.extend(children(&self.root.join("damaged")).into_iter().map(|folder| plain(folder, What::Damaged)));
        let held: u64 = items.iter().map(|item| item.size).sum();
        (items, size_of(&self.root).saturating_sub(held))
    }

    /// Removes items. The caller holds the cache alone. An entry is moved aside first, so that it is whole or gone.
    pub fn sweep<'a>(&self, items: impl Iterator<Item = &'a Item>) -> Result<()> {
        for item in items {
            match &item.what {
                What::Unfinished(key) => {
                    if let Some(claim) = self.claim(key)? {
                        self.disk.remove_folder(&item.folder)?;
                        claim.finish();
                    }
                }
                What::Damaged if item.folder.starts_with(self.root.join("damaged")) => {}
                What::Entry(_) | What::Damaged => {
                    self.set_aside(&item.folder)?;
                }
            }
        }
        self.clear_damaged()?;
        self.compact()
    }

    /// Removes all that a store of one's own has made, and its folder if nothing else is there.
    pub fn discard(&self) -> Result<()> {
        for name in ["entries", lock::FOLDER, "damaged", "snapshots"].map(|name| self.root.join(name)) {
            if name.exists() {
                self.disk.remove_folder(&name)?;
            }
        }
        for name in [index::FILE, memory::FILE, lock::FILE, super::hold::FILE].map(|name| self.root.join(name)) {
            if name.exists() {
                self.disk.remove_file(&name)?;
            }
        }
        // Somebody else's files stay, and so does their folder.
        let _ = fs::remove_dir(&self.root);
        Ok(())
    }

    /// Writes the shortcuts anew without lines that no longer count.
    fn compact(&self) -> Result<()> {
        let index = index::Index::read(&self.disk, &self.root, "");
        let is_there = |kind: &str, key: &Key| self.place(kind, key).is_dir();
        self.replace(index::FILE, &index.compacted(is_there))?;
        self.replace(memory::FILE, &memory::compacted(&self.root))
    }

    fn replace(&self, name: &str, text: &str) -> Result<()> {
        let (path, aside) = (self.root.join(name), self.root.join(format!("{name}.new")));
        if !path.exists() {
            return Ok(());
        }
        self.disk.write(&aside, text.as_bytes(), true)?;
        self.disk.rename(&aside, &path)
    }

    /// Every folder of an entry, with what it says of itself if that can be read, ordered by kind and key.
    pub fn places(&self) -> Vec<(PathBuf, Option<Meta>)> {
        let kinds = children(&self.root.join("entries"));
        let folders = kinds.iter().flat_map(|kind| children(kind));
        folders.map(|folder| (folder.clone(), Meta::read(&folder))).collect()
    }

    /// Hashes all that is in an entry's folder again; names what is not as it was written.
    pub fn check(&self, folder: &Path, meta: Option<&Meta>) -> std::result::Result<(), String> {
        let wrong = || Err(super::entry::META.to_string());
        let Some(meta) = meta else { return wrong() };
        let is_right = self.place(&meta.kind, &meta.key) == folder
            && meta.parts.key() == meta.key
            && digest::of_records(&meta.files) == meta.digest;
        if is_right { meta.verify(folder) } else { wrong() }
    }
}

fn of_entry(folder: PathBuf, meta: Option<Meta>) -> Item {
    match meta {
        None => plain(folder, What::Damaged),
        Some(meta) => Item {
            size: size_of(&folder),
            used: meta.created,
            folder,
            what: What::Entry(Box::new(meta)),
            keepers: Vec::new(),
        },
    }
}

fn plain(folder: PathBuf, what: What) -> Item {
    let time = fs::metadata(&folder).and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let used = time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    Item { size: size_of(&folder), used, folder, what, keepers: Vec::new() }
}

/// Bytes of all files below.
fn size_of(folder: &Path) -> u64 {
    let files = WalkDir::new(folder).into_iter().flatten().filter(|entry| !entry.file_type().is_dir());
    files.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unfinished(size: u64, used: u64, keeper: &str) -> Item {
        let keepers = if keeper.is_empty() { Vec::new() } else { vec![keeper.to_string()] };
        let key = Key([used as u8; 20]);
        Item { what: What::Unfinished(key), folder: PathBuf::from(used.to_string()), size, used, keepers }
    }

    const DAY: u64 = 86400;

    #[test]
    fn the_longest_unused_goes_first_until_the_size_is_reached() {
        let items = [unfinished(10, 30, ""), unfinished(10, 10, ""), unfinished(10, 5, "e"), unfinished(10, 20, "")];
        let limits = Limits { max_size: Some(25), older_than: Some(0) };
        let sweep = choose(&items, 3, &limits, 100);
        assert_eq!((sweep.remove, sweep.freed, sweep.left, sweep.kept), (vec![1, 3], 20, 23, 10));
        let sweep = choose(&items, 3, &Limits { max_size: Some(5), older_than: Some(0) }, 100);
        assert_eq!((sweep.left, sweep.kept, sweep.young), (13, 10, 0), "it says why it ends above the size");
    }

    /// An entry of which others have files: its own, and what it takes from them.
    fn entry(number: u8, size: u64, used: u64, holders: &[u8]) -> Item {
        let key = |number: u8| Key([number; 20]);
        let file = |holder: &u8| digest::FileRecord {
            name: format!("from{holder}"),
            size: 1,
            digest: super::super::key::Digest([0; 32]),
            held_by: Some(format!("load-portion/{}", key(*holder))),
        };
        let meta = Meta {
            key: key(number),
            kind: "load".into(),
            digest: super::super::key::Digest([0; 32]),
            parts: super::super::key::Parts::default(),
            files: holders.iter().map(file).collect(),
            stage: "alerts".into(),
            seconds: 1.0,
            created: used,
            version: String::new(),
            cause: Vec::new(),
        };
        Item { what: What::Entry(Box::new(meta)), folder: number.to_string().into(), size, used, keepers: Vec::new() }
    }

    #[test]
    fn what_holds_files_of_others_goes_after_them_and_stays_with_them() {
        let items = [entry(1, 100, 10, &[]), entry(2, 1, 50, &[1]), entry(3, 1, 20, &[1]), entry(4, 5, 30, &[])];
        assert_eq!(choose(&items, 0, &Limits::default(), 100).remove, [2, 3, 1, 0]);
        let limits = |max_size, older_than| Limits { max_size, older_than };
        assert_eq!(choose(&items, 0, &limits(Some(101), None), 100).remove, [2, 3], "a user alone frees little");
        assert_eq!(choose(&items, 0, &limits(None, Some(60)), 100).remove, [2, 3], "used as late as its users");
        let mut kept = items.clone();
        kept[2].keepers.push("nights".into());
        let sweep = choose(&kept, 0, &Limits::default(), 100);
        assert_eq!((sweep.remove, sweep.kept), (vec![3, 1], 101));
    }

    /// Its files may be right although what it says of itself cannot be read; they are those of its user.
    #[test]
    fn what_holds_files_of_others_stays_with_them_though_it_is_damaged() {
        let damaged = |folder: String| Item {
            what: What::Damaged,
            folder: folder.into(),
            size: 100,
            used: 1,
            keepers: Vec::new(),
        };
        let (holder, user) = (damaged(format!("load-portion/{}", Key([1; 20]))), entry(2, 1, 50, &[1]));
        let aside = damaged(format!("damaged/{}.0", Key([1; 20])));
        let kept = Item { keepers: vec!["a run".into()], ..user.clone() };
        let removed = |items: &[Item], limits| choose(items, 0, &limits, 100).remove;
        assert_eq!(removed(&[holder.clone(), kept, aside.clone()], Limits::default()), [2]);
        assert_eq!(removed(&[holder.clone(), user.clone(), aside.clone()], Limits::default()), [2, 1, 0]);
        let young = Limits { max_size: None, older_than: Some(60) };
        assert_eq!(removed(&[holder.clone(), user, aside.clone()], young), [2]);
        assert_eq!(removed(&[holder, aside], young), [1, 0], "nobody's");
    }

    #[test]
    fn portions_of_interrupted_work_stay_a_week_and_others_go_with_their_user() {
        let removed = |items: &[Item], now| choose(items, 0, &Limits::default(), now).remove;
        let mut portion = entry(1, 10, 5, &[]);
        if let What::Entry(meta) = &mut portion.what {
            meta.kind = format!("load{PORTION}");
        }
        assert_eq!(removed(std::slice::from_ref(&portion), 6 * DAY), [0; 0]);
        assert_eq!(removed(std::slice::from_ref(&portion), 8 * DAY), [0]);
        let user = entry(2, 10, 7, &[1]);
        assert_eq!(removed(&[portion.clone(), user.clone()], DAY), [1, 0]);
        let kept = Item { keepers: vec!["a run".into()], ..user };
        assert_eq!(removed(&[portion, kept], 8 * DAY), [0; 0]);
    }

    #[test]
    fn ages_count_and_interrupted_work_stays_a_week() {
        let items = [unfinished(10, DAY, ""), unfinished(10, 9 * DAY, "")];
        assert_eq!(choose(&items, 0, &Limits::default(), 10 * DAY).remove, [0]);
        let limits = Limits { max_size: None, older_than: Some(DAY) };
        assert_eq!(choose(&items, 0, &limits, 10 * DAY).remove, [0, 1]);
        let damaged = [Item { what: What::Damaged, ..unfinished(1, 10 * DAY, "") }];
        assert_eq!(choose(&damaged, 0, &limits, 10 * DAY).remove, [0], "damaged things go at any age");
    }
}
