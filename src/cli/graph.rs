//! `estampa graph`: the stages and their edges as a picture, coloured by state.

use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum};

use crate::graph::{StepId, Use};
use crate::plan::{Plan, State};
use crate::store::Store;

use super::session::{Session, Target};
use super::{Ending, Entry, Exit, Outcome, say};

/// The command.
pub(super) const ENTRY: Entry = Entry { define: || Arguments::augment_args(Command::new("graph")).about(ABOUT), run };

const ABOUT: &str = "Draw the stages and their edges, coloured by state";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Mermaid,
    Dot,
    Svg,
}

#[derive(Args, Debug)]
struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Only this arm [default: the distinct steps of all arms, replicates folded]
    #[arg(long)]
    arm: Option<String>,
    /// What to write
    #[arg(long, value_enum, default_value = "mermaid")]
    format: Format,
}

/// A box of the picture.
struct Node {
    id: StepId,
    title: String,
    kind: &'static str,
    state: State,
}

fn run(matches: &ArgMatches) -> Outcome {
    let arguments = Arguments::from_arg_matches(matches).map_err(Ending::input)?;
    let session = Session::open(&arguments.target)?;
    let plan = session.plan(&Store::view(&session.cache), &session.memory(false), &[])?;
    let arm = arguments.arm.as_deref().map(|name| session.arm(name)).transpose()?;
    let nodes = nodes(&session, &plan, arm);
    let shown = |id: StepId| nodes.iter().any(|n| n.id == id);
    let edges: Vec<(StepId, StepId)> = nodes
        .iter()
        .flat_map(|node| session.graph.step(node.id).sources.iter().map(|from| (*from, node.id)))
        .filter(|(from, _)| shown(*from))
        .collect();
    say(match arguments.format {
        Format::Mermaid => mermaid(&nodes, &edges),
        Format::Dot => dot(&nodes, &edges),
        Format::Svg => svg(&nodes, &edges),
    });
    Ok(Exit::Done)
}

/// The steps of the first replicate, each once.
fn nodes(session: &Session, plan: &Plan, arm: Option<usize>) -> Vec<Node> {
    let titles = super::lines::titles(session);
    let chosen = |u: &&Use| u.replicate == 0 && arm.is_none_or(|a| u.arm as usize == a);
    let mut ids: Vec<StepId> = session.graph.uses.iter().filter(chosen).map(|u| u.step).collect();
    ids.sort_unstable();
    ids.dedup();
    let node = |id: StepId| Node {
        id,
        title: titles[id.0].replace(", replicate 1", "").replace(" (replicate 1)", ""),
        kind: session.graph.step(id).kind().name(),
        state: plan.step(id).state,
    };
    ids.into_iter().map(node).collect()
}

/// Fill colours, told apart in grey as well.
fn colour(state: State) -> &'static str {
    match state {
        State::Cached => "#c7e9c0",
        State::Run => "#fd8d3c",
        State::Wait => "#fee6ce",
    }
}

fn mermaid(nodes: &[Node], edges: &[(StepId, StepId)]) -> String {
    let mut text = String::from("flowchart LR\n");
    for n in nodes {
        let title = n.title.replace('"', "'");
        text += &format!("  s{}[\"{title}<br/>{}\"]:::{}\n", n.id.0, n.kind, n.state.word());
    }
    for (from, to) in edges {
        text += &format!("  s{} --> s{}\n", from.0, to.0);
    }
    for state in [State::Cached, State::Run, State::Wait] {
        text += &format!("  classDef {} fill:{},color:#000\n", state.word(), colour(state));
    }
    text.trim_end().into()
}

fn dot(nodes: &[Node], edges: &[(StepId, StepId)]) -> String {
    let mut text =
        String::from("digraph estampa {\n  rankdir=LR;\n  node [shape=box, style=filled, fontname=\"sans\"];\n");
    for n in nodes {
        let title = n.title.replace('\\', "\\\\").replace('"', "\\\"");
        text += &format!("  s{} [label=\"{title}\\n{}\", fillcolor=\"{}\"];\n", n.id.0, n.kind, colour(n.state));
    }
    for (from, to) in edges {
        text += &format!("  s{} -> s{};\n", from.0, to.0);
    }
    text + "}"
}

/// Layers from left to right by the longest way from a source; boxes of a layer below each other.
fn svg(nodes: &[Node], edges: &[(StepId, StepId)]) -> String {
    const WIDTH: usize = 190;
    const HEIGHT: usize = 44;
    const GAP: usize = 60;
    let position = |id: StepId| nodes.iter().position(|n| n.id == id);
    let mut layer = vec![0_usize; nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        let before = edges.iter().filter(|(_, to)| *to == node.id).filter_map(|(from, _)| position(*from));
        layer[i] = before.map(|from| layer[from] + 1).max().unwrap_or(0);
    }
    let mut filled = std::collections::BTreeMap::new();
    let corner: Vec<(usize, usize)> = layer
        .iter()
        .map(|l| {
            let row = filled.entry(*l).or_insert(0);
            *row += 1;
            (10 + l * (WIDTH + GAP), 10 + (*row - 1) * (HEIGHT + 16))
        })
        .collect();
    let columns = layer.iter().max().map_or(1, |l| l + 1);
    let rows = filled.values().max().copied().unwrap_or(1);
    let (width, height) = (20 + columns * (WIDTH + GAP) - GAP, 20 + rows * (HEIGHT + 16) - 16);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n"
    );
    for (from, to) in edges {
        let (Some(a), Some(b)) = (position(*from), position(*to)) else { continue };
        let (x1, y1) = (corner[a].0 + WIDTH, corner[a].1 + HEIGHT / 2);
        let (x2, y2) = (corner[b].0, corner[b].1 + HEIGHT / 2);
        let bend = usize::midpoint(x1, x2);
        text += &format!("<path d=\"M{x1},{y1} C{bend},{y1} {bend},{y2} {x2},{y2}\" fill=\"none\" stroke=\"#777\"/>\n");
    }
    for (node, (x, y)) in nodes.iter().zip(corner) {
        let (tx, fill) = (x + 8, colour(node.state));
        text += &format!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"4\" fill=\"{fill}\" stroke=\"#333\"/>\n"
        );
        text += &format!("<text x=\"{tx}\" y=\"{}\">{}</text>\n", y + 18, escaped(&node.title));
        text +=
            &format!("<text x=\"{tx}\" y=\"{}\" fill=\"#444\">{}, {}</text>\n", y + 35, node.kind, node.state.word());
    }
    text + "</svg>"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
