//! Faults of the files, collected so that all are reported at once, and their rendering with line and caret.
//! Knows no key of ours.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::document::{Place, Source};

/// Most faults that are shown.
const MOST_SHOWN: usize = 200;
/// Longest word, bytes, that is compared with names: the comparison of two takes memory as the product of their lengths.
const LONGEST_WORD: usize = 100;
/// Most names that a word is compared with.
const MOST_COMPARED: usize = 1000;
/// Most names that are listed.
const MOST_LISTED: usize = 100;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// Where; `None` when it has no place in a text.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// All faults found so far, with the texts that they point into.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Texts that were read.
    pub sources: Vec<Source>,
    /// Faults in the order of their discovery, each once.
    pub list: Vec<Fault>,
    /// Digests of what is in the list.
    known: HashSet<u64>,
    reports: usize,
}

impl Faults {
    /// Remembers a text; its number is the `source` of places in it.
    pub fn add_source(&mut self, source: Source) -> u32 {
        self.sources.push(source);
        self.sources.len() as u32 - 1
    }

    /// Records a fault at a place.
    pub fn add(&mut self, place: Place, message: String, hint: Option<String>) {
        self.push(Fault { place: Some(place), message, hint });
    }

    /// Records a fault that has no place in a text.
    pub fn anywhere(&mut self, message: String) {
        self.perhaps_at(None, message);
    }

    /// Records a fault that may have a place.
    pub fn perhaps_at(&mut self, place: Option<Place>, message: String) {
        self.push(Fault { place, message, hint: None });
    }

    fn push(&mut self, fault: Fault) {
        self.reports += 1;
        if self.known.insert(digest(&fault)) {
            self.list.push(fault);
        }
    }

    /// How many were reported, those that were known already among them: whether a part of the text has faults shows in
    /// this number and not in the length of the list.
    pub fn reports(&self) -> usize {
        self.reports
    }

    /// Forgets all but the first `len` of the list.
    pub fn truncate(&mut self, len: usize) {
        self.list.truncate(len);
        self.known = self.list.iter().map(digest).collect();
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All faults as text in the order of files and lines; `styled` with colours.
    pub fn render(&self, styled: bool) -> String {
        let renderer = if styled { Renderer::styled() } else { Renderer::plain() }.decor_style(DecorStyle::Ascii);
        let mut faults: Vec<&Fault> = self.list.iter().collect();
        faults.sort_by_key(|f| f.place);
        let shown = faults.iter().take(MOST_SHOWN).map(|fault| self.render_one(fault, &renderer));
        let more = faults.len().checked_sub(MOST_SHOWN + 1).map(|more| format!("and {} more", more + 1));
        shown.chain(more).collect::<Vec<_>>().join("\n\n")
    }

    fn render_one(&self, fault: &Fault, renderer: &Renderer) -> String {
        let mut group = Level::ERROR.primary_title(&fault.message).elements(Vec::<annotate_snippets::Element>::new());
        if let Some(place) = &fault.place {
            let source = &self.sources[place.source as usize];
            let span = visible_span(&source.text, place);
            let snippet =
                Snippet::source(&source.text).path(&source.name).annotation(AnnotationKind::Primary.span(span));
            group = group.element(snippet);
        }
        if let Some(hint) = &fault.hint {
            group = group.element(Level::HELP.message(hint));
        }
        renderer.render(&[group]).clone()
    }
}

fn digest(fault: &Fault) -> u64 {
    let mut hasher = DefaultHasher::new();
    fault.hash(&mut hasher);
    hasher.finish()
}

/// The first line of a place, so that a fault about a long table shows only where it begins.
fn visible_span(text: &str, place: &Place) -> std::ops::Range<usize> {
    let start = (place.start as usize).min(text.len());
    let end = (place.end as usize).clamp(start, text.len());
    let line = text[start..end].find('\n').map_or(end, |n| start + n);
    start..line.max(start)
}

/// The one of `names` that is nearest to `word`, if it is near enough to be what was meant.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST_WORD {
        return None;
    }
    let names = names.into_iter().take(MOST_COMPARED).filter(|name| name.len() <= LONGEST_WORD);
    names
        .map(|name| {
            (strsim::normalized_damerau_levenshtein(word, name).max(strsim::jaro_winkler(word, name) - 0.2), name)
        })
        .filter(|(score, _)| *score > 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// `did you mean ..?` with all names where they are few.
pub fn suggest(word: &str, names: &[&str]) -> Option<String> {
    let listed = |names: &[&str]| {
        let short = names.iter().filter(|name| name.len() <= LONGEST_WORD).take(MOST_LISTED);
        let mut words: Vec<String> = short.map(|name| format!("`{name}`")).collect();
        if words.len() < names.len() {
            words.push(format!("{} more", names.len() - words.len()));
        }
        words.join(", ")
    };
    match nearest(word, names.iter().copied()) {
        Some(name) => Some(format!("did you mean `{name}`?")),
        None if names.is_empty() => None,
        None => Some(format!("known names: {}", listed(names))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_shows_place_and_hint() {
        let mut faults = Faults::default();
        let text = "[stages.a]\nkindd = \"simulate\"\n".to_string();
        let source = faults.add_source(Source {
            name: "p.toml".into(),
            path: "p.toml".into(),
            folder: std::path::Path::new(".").into(),
            text,
        });
        faults.add(
            Place { source, start: 11, end: 16 },
            "unknown key `kindd`".into(),
            suggest("kindd", &["kind", "inputs"]),
        );
        let shown = faults.render(false);
        assert!(shown.contains("p.toml:2:1") && shown.contains("^^^^^"), "{shown}");
        assert!(shown.contains("did you mean `kind`?"), "{shown}");
    }

    #[test]
    fn far_names_are_listed_instead() {
        assert_eq!(suggest("zzz", &["crop", "split"]).unwrap(), "known names: `crop`, `split`");
    }
}
