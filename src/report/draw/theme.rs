//! Colours, dashes and markers: the palette of Okabe and Ito (2008), safe for colour-blind readers; dash and marker
//! tell series apart in grey too.

/// Red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(pub u8, pub u8, pub u8);

/// Text and frames.
pub const BLACK: Colour = Colour(0, 0, 0);
/// Ticks of minor importance.
pub const GREY: Colour = Colour(120, 120, 120);
/// Grid lines.
pub const LIGHT: Colour = Colour(220, 220, 220);
/// Paper.
pub const WHITE: Colour = Colour(255, 255, 255);
/// Dark end of a heat map.
pub const BLUE: Colour = Colour(0, 114, 178);

/// Okabe and Ito, the ones that stand out on white first.
const PALETTE: [Colour; 8] = [
    BLUE,
    Colour(213, 94, 0),
    Colour(0, 158, 115),
    Colour(204, 121, 167),
    Colour(230, 159, 0),
    Colour(86, 180, 233),
    Colour(60, 60, 60),
    Colour(200, 185, 30),
];

/// Form of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// Disc.
    Circle,
    /// Square.
    Square,
    /// Triangle, tip up.
    Up,
    /// Diamond.
    Diamond,
    /// Triangle, tip down.
    Down,
    /// Cross of two diagonals.
    Cross,
    /// Upright cross.
    Plus,
}

const MARKERS: [Marker; 7] =
    [Marker::Circle, Marker::Square, Marker::Up, Marker::Diamond, Marker::Down, Marker::Cross, Marker::Plus];

impl Marker {
    /// Its polygons around (0, 0) for diameter 1; none for the disc.
    pub fn polygons(self) -> Vec<Vec<(f64, f64)>> {
        let turn = |points: &[(f64, f64)], sine: f64| -> Vec<(f64, f64)> {
            points.iter().map(|(x, y)| (x * sine - y * sine, x * sine + y * sine)).collect()
        };
        let bar = [(-0.55, -0.13), (0.55, -0.13), (0.55, 0.13), (-0.55, 0.13)];
        let upright: Vec<(f64, f64)> = bar.iter().map(|(x, y)| (-y, *x)).collect();
        match self {
            Self::Circle => Vec::new(),
            Self::Square => vec![vec![(-0.44, -0.44), (0.44, -0.44), (0.44, 0.44), (-0.44, 0.44)]],
            Self::Up => vec![vec![(0.0, -0.58), (0.55, 0.42), (-0.55, 0.42)]],
            Self::Down => vec![vec![(0.0, 0.58), (0.55, -0.42), (-0.55, -0.42)]],
            Self::Diamond => vec![vec![(0.0, -0.62), (0.5, 0.0), (0.0, 0.62), (-0.5, 0.0)]],
            Self::Plus => vec![bar.into(), upright],
            Self::Cross => {
                let sine = std::f64::consts::FRAC_1_SQRT_2;
                vec![turn(&bar, sine), turn(&upright, sine)]
            }
        }
    }
}

/// Pattern of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dash {
    /// Unbroken.
    Solid,
    /// Long dashes.
    Dashed,
    /// Dots.
    Dotted,
    /// Dash and dot.
    DashDot,
}

const DASHES: [Dash; 4] = [Dash::Solid, Dash::Dashed, Dash::DashDot, Dash::Dotted];

impl Dash {
    /// Lengths of strokes and gaps in turn, in line widths; empty for an unbroken line.
    pub fn pattern(self) -> &'static [f64] {
        match self {
            Self::Solid => &[],
            Self::Dashed => &[5.0, 2.5],
            Self::Dotted => &[1.2, 1.8],
            Self::DashDot => &[6.0, 2.0, 1.2, 2.0],
        }
    }
}

/// How one class or arm looks everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Colour.
    pub colour: Colour,
    /// Pattern of its lines.
    pub dash: Dash,
    /// Form of its points.
    pub marker: Marker,
}

/// The style of the `index`-th class or arm.
pub fn style(index: usize) -> Style {
    Style {
        colour: PALETTE[index % PALETTE.len()],
        dash: DASHES[(index + index / PALETTE.len()) % DASHES.len()],
        marker: MARKERS[index % MARKERS.len()],
    }
}

/// White for 0 to dark blue for 1.
pub fn heat(share: f64) -> Colour {
    let share = share.clamp(0.0, 1.0);
    let mix = |from: u8, to: u8| (f64::from(from) + share * (f64::from(to) - f64::from(from))).round() as u8;
    Colour(mix(255, 8), mix(255, 64), mix(255, 129))
}
