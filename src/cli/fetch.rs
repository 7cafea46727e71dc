//! `estampa fetch`: nights of the public archive, and packets and light curves of a broker, into a folder that `load` reads.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};
use indicatif::ProgressBar;

use crate::fetch::broker::{Address, BROKERS, Broker, Order, fetch_objects, object_id, object_ids};
use crate::fetch::fault::Fault;
use crate::fetch::http::Manners;
use crate::fetch::night::{self, Night, fetch_nights};
use crate::fetch::{Care, Event, Fate, Fetch, Watch};
use crate::spec::needs::size;

use super::bars::style;
use super::cache::bytes;
use super::{Ending, Entry, Exit, Outcome, complain, say};

/// The command.
pub(super) const ENTRY: Entry = Entry { define: || Arguments::augment_args(Command::new("fetch")).about(ABOUT), run };

const ABOUT: &str = "Fetch nights of alerts from the public archive, or packets and light curves from a broker";

/// The variable that says where the archive is.
const ARCHIVE: Address = Address { variable: "ESTAMPA_ARCHIVE", usual: night::ARCHIVE };

#[derive(Args, Debug)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Nights of the public archive, some GB each: `load` reads them as they are
    Nights {
        /// Nights in universal time: 20240105, or 20240105..20240107 with both ends
        #[arg(required = true)]
        nights: Vec<String>,
        /// Where the archive is [default: $ESTAMPA_ARCHIVE, else <https://ztf.uw.edu/alerts/public>]
        #[arg(long, value_name = "URL", value_parser = base)]
        base: Option<String>,
        #[command(flatten)]
        how: How,
    },
    /// Objects by objectId: `lightcurves/OBJECT.csv` from any broker, `packets/OBJECT/CANDID.avro` from alerce
    Objects {
        /// objectIds
        ids: Vec<String>,
        /// A file with more of them: one a line, or the column `objectId` of a csv table
        #[arg(long, value_name = "FILE")]
        list: Option<PathBuf>,
        /// Whom to ask: alerce or fink
        #[arg(long, default_value = "alerce", value_parser = broker)]
        broker: &'static str,
        /// Only the light curves
        #[arg(long)]
        no_packets: bool,
        /// Ask again for light curves that are there: they may have grown
        #[arg(long)]
        refresh: bool,
        /// Where the broker's light curves are [default: $ESTAMPA_ALERCE or $ESTAMPA_FINK, else its own address]
        #[arg(long, value_name = "URL", value_parser = base)]
        base: Option<String>,
        /// Where its packets are [default: $ESTAMPA_ALERCE_PACKETS, else its own address]
        #[arg(long, value_name = "URL", value_parser = base)]
        packets_base: Option<String>,
        #[command(flatten)]
        how: How,
    },
}

/// Where to, and how.
#[derive(Args, Debug)]
struct How {
    /// The folder to fetch into; `.fetched.csv` in it keeps size, BLAKE3 digest and source of each file
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// Hash what is there again, and fetch what was damaged
    #[arg(long)]
    verify: bool,
    /// Requests per second at most
    #[arg(long, value_name = "N", default_value = "1", value_parser = positive)]
    rate: f64,
    /// Tries that may fail one after the other, with pauses that double
    #[arg(long, value_name = "N", default_value = "6", value_parser = clap::value_parser!(u32).range(1..))]
    tries: u32,
    /// Longest time until a connection stands, seconds
    #[arg(long, value_name = "S", default_value = "15", value_parser = positive)]
    connect_timeout: f64,
    /// Longest time without a byte, seconds
    #[arg(long, value_name = "S", default_value = "60", value_parser = positive)]
    read_timeout: f64,
    /// Largest file, also where the server does not say how large it is [default: 200G for nights, 256M for objects]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_size: Option<u64>,
    /// Longest pause that a server may ask for, seconds
    #[arg(long, value_name = "S", default_value = "600", value_parser = positive)]
    longest_pause: f64,
    /// The first pause before another try, seconds; for tests
    #[arg(long, default_value = "1", value_parser = positive, hide = true)]
    pause: f64,
}

impl How {
    fn manners(&self) -> Manners {
        Manners {
            rate: self.rate,
            tries: self.tries,
            pause: Duration::from_secs_f64(self.pause),
            longest_pause: Duration::from_secs_f64(self.longest_pause),
            connect: Duration::from_secs_f64(self.connect_timeout),
            silence: Duration::from_secs_f64(self.read_timeout),
        }
    }
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (1e-3..=1e6).contains(number));
    number.ok_or_else(|| "not a number from 0.001 to 1000000".into())
}

fn base(text: &str) -> Result<String, String> {
    let is_web = ["http://", "https://"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
    if is_web { Ok(text.trim_end_matches('/').into()) } else { Err("not an address with http:// or https://".into()) }
}

fn broker(text: &str) -> Result<&'static str, String> {
    let names: Vec<&str> = BROKERS.iter().map(|broker| broker.name).collect();
    let known = names.iter().find(|name| **name == text).copied();
    known.ok_or_else(|| format!("known brokers: {}", names.join(", ")))
}

/// The address that a flag gives, or else a variable, or else the usual one.
fn address(flag: Option<String>, of: Address) -> Result<String, Ending> {
    match flag.map_or_else(|| std::env::var(of.variable), Ok) {
        Ok(text) if !text.is_empty() => {
            base(&text).map_err(|what| Ending::input(format!("error: {} is {what}: {text}", of.variable)))
        }
        _ => Ok(of.usual.into()),
    }
}

fn run(matches: &ArgMatches) -> Outcome {
    let wrong = |what: String| Ending::input(format!("error: {what}"));
    match Arguments::from_arg_matches(matches).map_err(Ending::input)?.what {
        What::Nights { nights, base, how } => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let today = Night::at(now.as_secs());
            let ranges = nights.iter().map(|text| night::parse(text, today)).collect::<Result<Vec<_>, _>>();
            let (nights, base) = (ranges.map_err(wrong)?.concat(), address(base, ARCHIVE)?);
            fill(&how, 200 << 30, |fetch| fetch_nights(fetch, &base, &nights))
        }
        What::Objects { ids, list, broker, no_packets, refresh, base, packets_base, how } => {
            let mut wanted = ids.iter().map(|id| object_id(id)).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
            if let Some(path) = list {
                let at = |what: String| Ending::input(format!("error: {}: {what}", path.display()));
                let text = std::fs::read_to_string(&path).map_err(|error| at(error.to_string()))?;
                wanted.extend(object_ids(&text).map_err(at)?);
            }
            if wanted.is_empty() {
                return Err(Ending::input("error: there is no object to fetch: name objectIds, or give a `--list`"));
            }
            let order = order(broker, base, packets_base, no_packets, refresh)?;
            fill(&how, 256 << 20, |fetch| fetch_objects(fetch, &order, &wanted))
        }
    }
}

fn order(
    name: &str,
    base: Option<String>,
    packets_base: Option<String>,
    no_packets: bool,
    refresh: bool,
) -> Result<Order<'static>, Ending> {
    let found = BROKERS.iter().find(|broker| broker.name == name);
    let broker: &'static Broker = found.ok_or_else(|| Ending::input(format!("error: there is no broker `{name}`")))?;
    let packets = broker.packets.filter(|_| !no_packets).map(|of| address(packets_base, of)).transpose()?;
    Ok(Order { broker, api: address(base, broker.api)?, packets, refresh })
}

/// Fetches into the folder and says how that went.
fn fill(how: &How, limit: u64, work: impl FnOnce(&mut Fetch) -> Result<(), Fault>) -> Outcome {
    let care = Care { verify: how.verify, limit: how.max_size.unwrap_or(limit) };
    let screen = Screen::default();
    let failed = |fault: Fault| Ending::failed(format!("error: {fault}"));
    let mut fetch = Fetch::open(&how.to, how.manners(), care, &screen).map_err(failed)?;
    let done = work(&mut fetch);
    screen.bar.finish_and_clear();
    let tally = fetch.tally();
    let (fetched, kept, size) = (tally.fetched, tally.kept, bytes(tally.bytes));
    let (absent, lost) = (tally.absent, tally.failed);
    say(format!("fetched {fetched} ({size}), there already {kept}, not on the server {absent}, failed {lost}"));
    done.map_err(failed)?;
    Ok(if absent + lost == 0 { Exit::Done } else { Exit::Failed })
}

/// Shows what comes: a bar on a terminal, and a line for each file.
struct Screen {
    bar: ProgressBar,
}

impl Default for Screen {
    fn default() -> Self {
        let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        bar.set_style(style("  {prefix:28!} [{bar:24}] {bytes}/{total_bytes}, {bytes_per_sec}, {eta} {wide_msg}"));
        Self { bar }
    }
}

impl Screen {
    fn line(&self, text: String) {
        self.bar.suspend(|| complain(text));
    }
}

impl Watch for Screen {
    fn hear(&self, event: &Event) {
        match event {
            Event::Begun { name, here, whole } => {
                self.bar.set_prefix((*name).to_string());
                self.bar.set_message("");
                self.bar.set_length(whole.unwrap_or(0));
                self.bar.set_position(*here);
                self.bar.reset_eta();
                if *here > 0 {
                    self.line(format!("{name}: going on after {}", bytes(*here)));
                }
            }
            Event::Came(here) => self.bar.set_position(*here),
            Event::Waits { seconds, why } => self.line(format!("{why}; trying again in {seconds:.1} s")),
            Event::Note { name, what } => self.line(format!("{name}: {what}")),
            Event::Ended { name, fate: Ok(Fate::Fetched(size)) } => self.line(format!("{name}: {}", bytes(*size))),
            Event::Ended { name, fate: Ok(Fate::Absent) } => self.line(format!("{name}: {}", absence(name))),
            Event::Ended { fate: Err(fault), .. } if fault.is_of_one_file() => self.line(format!("{fault}")),
            // Nothing new, or what ends the command and is told then.
            Event::Ended { .. } => {}
        }
    }
}

/// What it means that a server does not have a file.
fn absence(name: &str) -> &'static str {
    match name.split('/').next() {
        Some("lightcurves") => "the broker knows no such object",
        Some("packets") => "the broker has no packet of this alert",
        _ => "no public alerts that night",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_broker_and_variable() {
        let mut command = (ENTRY.define)();
        let objects = command.find_subcommand_mut("objects").unwrap().render_long_help().to_string();
        for broker in BROKERS {
            for word in [broker.name, broker.api.variable, broker.packets.map_or("", |of| of.variable)] {
                assert!(objects.contains(word), "{word}");
            }
        }
        let nights = command.find_subcommand_mut("nights").unwrap().render_long_help().to_string();
        assert!(nights.contains(ARCHIVE.variable) && nights.contains(ARCHIVE.usual));
    }

    #[test]
    fn an_address_is_of_the_web() {
        assert_eq!(base("http://127.0.0.1:80/x//").as_deref(), Ok("http://127.0.0.1:80/x"));
        for bad in ["ftp://x", "https://", "x", "file:///etc"] {
            assert!(base(bad).is_err(), "{bad}");
        }
    }
}
