//! Our own thin layer for drawing: a list of shapes in points, written as SVG or PNG. Only `png` and `font` name
//! plotters, so another library can replace it. Knows no artifact.

pub mod axes;
pub mod canvas;
pub mod font;
pub mod image;
pub mod legend;
pub mod mosaic;
pub mod png;
pub mod svg;
pub mod theme;
