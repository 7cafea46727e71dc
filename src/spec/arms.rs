//! The arms that an experiment asks for: the grid of its axes, settings that vary together, a full set without each of its
//! settings in turn, and arms with names of their own. Knows no stage: an arm is a name with settings.

use super::document::{Data, Name, Node, Place};
use super::draft::{only, place_of, text};
use super::faults::Faults;

/// Most arms of a grid.
const MOST_ARMS: usize = 100_000;
/// Most settings that vary in one experiment.
const MOST_VARIED: usize = 1000;
/// Most bytes of the settings of all arms, as they are written and with what each takes besides.
const MOST_BYTES: usize = 256 << 20;

/// An arm before it is checked.
#[derive(Clone, Default)]
pub(super) struct ArmOutline {
    /// Its name.
    pub(super) name: String,
    /// Where what it is called after is written.
    pub(super) named_at: Option<Place>,
    /// What it sets.
    pub(super) settings: Vec<(Name, Node)>,
}

impl ArmOutline {
    /// The only arm where none is written.
    pub(super) fn default_arm() -> Self {
        Self { name: "default".into(), ..Self::default() }
    }

    /// With more settings, each called by its label.
    fn longer(&self, more: &[(&str, &Name, &Node)]) -> Self {
        let mut arm = self.clone();
        for (label, path, value) in more {
            let comma = if arm.name.is_empty() { "" } else { "," };
            arm.name += &format!("{comma}{label}={}", written(value));
            arm.named_at = Some(value.place);
            arm.settings.push(((*path).clone(), (*value).clone()));
        }
        arm
    }
}

/// All arms of an experiment file, in this order.
pub(super) fn outlines(root: &Node, faults: &mut Faults) -> Vec<ArmOutline> {
    let mut arms = grid(root, faults);
    arms.extend(left_out(root.get("leave_one_out"), faults));
    arms.extend(named(root.get("arms"), faults));
    if arms.is_empty() { vec![ArmOutline::default_arm()] } else { arms }
}

/// Lists of values by key, which vary together: the first of each, the second of each, and so on. An axis is one alone.
struct Bundle<'a> {
    lists: Vec<(&'a Name, &'a [Node])>,
}

/// The full grid of all axes and zips, the last one running fastest.
fn grid(root: &Node, faults: &mut Faults) -> Vec<ArmOutline> {
    let mut bundles = axes(root.get("axes"), faults);
    bundles.extend(zips(root.get("zip"), faults));
    let paths: Vec<&Name> = bundles.iter().flat_map(|bundle| bundle.lists.iter().map(|(path, _)| *path)).collect();
    if let (Some(first), Err(message)) = (paths.first(), check_size(&bundles)) {
        faults.add(first.place, message, None);
        return Vec::new();
    }
    for (i, path) in paths.iter().enumerate() {
        if paths[..i].iter().any(|earlier| earlier.text == path.text) {
            faults.add(path.place, format!("`{}` varies twice", path.text), None);
        }
    }
    let (mut arms, is_empty) = (vec![ArmOutline::default()], bundles.is_empty());
    for bundle in bundles {
        let length = bundle.lists.first().map_or(0, |(_, values)| values.len());
        let more = |i: usize| -> Vec<(&str, &Name, &Node)> {
            bundle.lists.iter().map(|(path, values)| (label(path, &paths), *path, &values[i])).collect()
        };
        arms = arms.iter().flat_map(|arm| (0..length).map(|i| arm.longer(&more(i)))).collect();
    }
    if is_empty { Vec::new() } else { arms }
}

/// Whether the grid has a size that can be held in memory; a few short lists multiply.
fn check_size(bundles: &[Bundle]) -> Result<(), String> {
    let length = |bundle: &Bundle| bundle.lists.first().map_or(1, |(_, values)| values.len());
    let arms = bundles.iter().try_fold(1, |arms: usize, bundle| arms.checked_mul(length(bundle)));
    let Some(arms) = arms.filter(|arms| *arms <= MOST_ARMS) else {
        let arms: f64 = bundles.iter().map(|bundle| length(bundle) as f64).product();
        return Err(format!("the grid has {arms} arms, the limit is {MOST_ARMS}"));
    };
    let lists = || bundles.iter().flat_map(|bundle| &bundle.lists);
    let bytes = |values: &[Node]| (arms / values.len().max(1)).saturating_mul(values.iter().map(room).sum());
    check_settings(lists().count(), lists().map(|(_, values)| bytes(values)).fold(0, usize::saturating_add))
}

/// Whether so many varied settings, with so many bytes in all arms, are within the limits.
fn check_settings(varied: usize, bytes: usize) -> Result<(), String> {
    match (varied, bytes) {
        (MOST_VARIED.., _) => Err(format!("{varied} settings vary, the limit is {MOST_VARIED}")),
        (_, MOST_BYTES..) => Err(format!("the settings of all arms take {bytes} bytes, the limit is {MOST_BYTES}")),
        _ => Ok(()),
    }
}

/// About how many bytes a value takes in memory.
fn room(node: &Node) -> usize {
    200 + (node.place.end - node.place.start) as usize
}

/// The last part of a path, or all of it where two would be called the same.
fn label<'a>(path: &'a Name, among: &[&Name]) -> &'a str {
    let last = path.text.rsplit('.').next().unwrap_or(&path.text);
    let same = among.iter().filter(|name| name.text.rsplit('.').next() == Some(last)).count();
    if same > 1 { &path.text } else { last }
}

/// Each axis by itself.
fn axes<'a>(axes: Option<&'a Node>, faults: &mut Faults) -> Vec<Bundle<'a>> {
    let Some(axes) = axes else { return Vec::new() };
    lists(axes, "axes", "axis", faults).into_iter().map(|list| Bundle { lists: vec![list] }).collect()
}

/// One `[zip]`, or several `[[zip]]`.
fn zips<'a>(zip: Option<&'a Node>, faults: &mut Faults) -> Vec<Bundle<'a>> {
    let tables = match zip {
        None => return Vec::new(),
        Some(Node { data: Data::List(tables), .. }) => tables.iter().collect(),
        Some(table) => vec![table],
    };
    let mut bundles = Vec::new();
    for table in tables {
        let lists = lists(table, "zip", "zipped", faults);
        let Some((first, values)) = lists.first() else { continue };
        for (path, other) in lists.iter().filter(|(_, other)| other.len() != values.len()) {
            let (one, two) = (values.len(), other.len());
            let message = format!("`{}` has {one} values and `{}` has {two}", first.text, path.text);
            let hint = "lists that are zipped have the same length; `[axes]` makes every combination".to_string();
            faults.add(path.place, message, Some(hint));
        }
        if lists.iter().all(|(_, other)| other.len() == values.len()) {
            bundles.push(Bundle { lists });
        }
    }
    bundles
}

/// Lists of values by key.
fn lists<'a>(table: &'a Node, what: &str, each: &str, faults: &mut Faults) -> Vec<(&'a Name, &'a [Node])> {
    let Some(entries) = table.entries() else {
        faults.add(table.place, format!("`{what}` must be a table: \"stage.key\" = [values]"), None);
        return Vec::new();
    };
    let mut lists = Vec::new();
    for (path, node) in entries {
        match &node.data {
            Data::List(values) if values.is_empty() => {
                faults.add(node.place, format!("{each} `{}` has no values", path.text), None);
            }
            Data::List(values) => lists.push((path, values.as_slice())),
            _ => faults.add(node.place, format!("{each} `{}` must be a list of values", path.text), None),
        }
    }
    lists
}

/// One arm with all of the settings, called `all`, and one without each of them.
fn left_out(table: Option<&Node>, faults: &mut Faults) -> Vec<ArmOutline> {
    let Some(table) = table else { return Vec::new() };
    let Some(entries) = table.entries() else {
        faults.add(table.place, "`leave_one_out` must be a table: \"stage.key\" = value".into(), None);
        return Vec::new();
    };
    let bytes = entries.iter().map(|(_, value)| room(value)).sum::<usize>();
    if let Err(message) = check_settings(entries.len(), bytes.saturating_mul(entries.len())) {
        faults.add(table.place, message, None);
        return Vec::new();
    }
    let names: Vec<&Name> = entries.iter().map(|(name, _)| name).collect();
    // A table under a plain name is a group that is left out as a whole.
    let parts: Vec<(&str, &Name, Vec<(Name, Node)>)> = entries
        .iter()
        .map(|(name, value)| match value.entries() {
            Some(group) if !name.text.contains('.') => (name.text.as_str(), name, group.to_vec()),
            _ => (label(name, &names), name, vec![(name.clone(), value.clone())]),
        })
        .collect();
    let arm = |name: String, at: Place, without: Option<usize>| {
        let kept = parts.iter().enumerate().filter(|(i, _)| Some(*i) != without);
        let settings = kept.flat_map(|(_, (_, _, settings))| settings.clone()).collect();
        ArmOutline { name, named_at: Some(at), settings }
    };
    let without =
        parts.iter().enumerate().map(|(i, (label, name, _))| arm(format!("without {label}"), name.place, Some(i)));
    if parts.is_empty() {
        Vec::new()
    } else {
        std::iter::once(arm("all".into(), table.place, None)).chain(without).collect()
    }
}

/// Arms with names of their own.
fn named(arms: Option<&Node>, faults: &mut Faults) -> Vec<ArmOutline> {
    let Some(arms) = arms else { return Vec::new() };
    let Data::List(items) = &arms.data else {
        faults.add(arms.place, "arms are written `[[arms]]`".into(), None);
        return Vec::new();
    };
    let mut list = Vec::new();
    for item in items {
        only(item, &["name", "set"], "`[[arms]]`", faults);
        let Some(name) = text(item, "name", faults) else {
            faults.add(item.place, "an arm needs a `name`".into(), None);
            continue;
        };
        let set = match item.get("set") {
            Some(Node { data: Data::Table(entries), .. }) => flatten(entries),
            Some(node) => {
                faults.add(node.place, "`set` must be a table: { \"stage.key\" = value }".into(), None);
                Vec::new()
            }
            None => Vec::new(),
        };
        list.push(ArmOutline { name, named_at: place_of(item, "name"), settings: set });
    }
    list
}

/// `stage.key = value` may be written with or without quotes: both become one dotted name.
pub(super) fn flatten(entries: &[(Name, Node)]) -> Vec<(Name, Node)> {
    let mut flat = Vec::new();
    for (name, node) in entries {
        match node.entries() {
            Some(inner) if !name.text.contains('.') => flat.extend(inner.iter().map(|(key, value)| {
                (Name { text: format!("{}.{}", name.text, key.text), place: key.place }, value.clone())
            })),
            _ => flat.push((name.clone(), node.clone())),
        }
    }
    flat
}

/// A value as it reads in an arm's name.
pub(super) fn written(node: &Node) -> String {
    match &node.data {
        Data::Bool(v) => v.to_string(),
        Data::Int(v) => v.to_string(),
        Data::Float(v) => v.to_string(),
        Data::Text(v) | Data::Other(v) => v.clone(),
        Data::List(items) => items.iter().map(written).collect::<Vec<_>>().join("+"),
        Data::Table(entries) => {
            entries.iter().map(|(n, v)| format!("{}:{}", n.text, written(v))).collect::<Vec<_>>().join("+")
        }
    }
}
