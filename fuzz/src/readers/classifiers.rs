//! Fitted classifiers that were kept.

use estampa::classifiers::CLASSIFIERS;
use estampa::classifiers::written::Shape;

/// The bytes as each classifier of the list; what is read has a word for every row, and comes out as it went in.
pub(crate) fn classifiers(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let shape = Shape { features: 2, classes: 2 };
    for classifier in CLASSIFIERS {
        let Ok(fitted) = classifier.read(text, shape) else { continue };
        let rows: [&[f32]; 3] = [&[0.0, 0.0], &[-1e30, 1e30], &[0.5, f32::MIN_POSITIVE]];
        let found = fitted.probabilities(&rows).expect("it was read");
        assert!(found.len() == rows.len() && found.iter().all(|row| row.len() == shape.classes));
        let text = fitted.written().expect("it was read");
        let again = classifier.read(&text, shape).expect("what is written is read");
        assert_eq!(again.written().expect("it was read"), text);
    }
}
