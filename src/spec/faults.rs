//! Faults of the files, collected so that all are reported at once, and their rendering with line and caret.
//! Knows no key of ours.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::document::{Place, Source};

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        if !self.list.contains(&fault) {
            self.list.push(fault);
        }
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
        faults.iter().map(|fault| self.render_one(fault, &renderer)).collect::<Vec<_>>().join("\n\n")
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

/// The first line of a place, so that a fault about a long table shows only where it begins.
fn visible_span(text: &str, place: &Place) -> std::ops::Range<usize> {
    let start = (place.start as usize).min(text.len());
    let end = (place.end as usize).clamp(start, text.len());
    let line = text[start..end].find('\n').map_or(end, |n| start + n);
    start..line.max(start)
}

/// The one of `names` that is nearest to `word`, if it is near enough to be what was meant.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|name| {
            (strsim::normalized_damerau_levenshtein(word, name).max(strsim::jaro_winkler(word, name) - 0.2), name)
        })
        .filter(|(score, _)| *score > 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// `did you mean ..?` with all names where they are few.
pub fn suggest(word: &str, names: &[&str]) -> Option<String> {
    let listed = |names: &[&str]| names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
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
