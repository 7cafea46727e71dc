//! A polite client: one connection, so many requests a second, again after a pause that doubles.
//! Knows HTTP, no files; only this file names ureq.

use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use ureq::Agent;
use ureq::http::{HeaderMap, StatusCode};

use super::fault::{Fault, Trouble};
use super::{Event, Watch};

/// Largest answer that is held in memory, bytes.
pub(super) const TEXT_LIMIT: u64 = 256 << 20;

/// Redirections that are followed from one request.
const REDIRECTIONS: u32 = 5;

/// Pauses double this many times at most.
const DOUBLINGS: u32 = 8;

/// How to treat a server.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// Requests per second at most, above 0.
    pub rate: f64,
    /// Tries one after the other that may fail.
    pub tries: u32,
    /// The first pause before another try; the next ones double.
    pub pause: Duration,
    /// Longest pause that a server may ask for.
    pub longest_pause: Duration,
    /// Longest time until a connection stands.
    pub connect: Duration,
    /// Longest time without a byte.
    pub silence: Duration,
}

/// What to ask a server for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The address.
    pub url: String,
    /// A JSON text to post; without one it is a GET.
    pub body: Option<String>,
}

impl Request {
    /// A GET.
    pub fn get(url: String) -> Self {
        Self { url, body: None }
    }
}

/// An answer of which the body is still to come.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// Bytes of this body, where the server says so.
    pub(super) length: Option<u64>,
    pub(super) body: Box<dyn Read>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Asks servers, politely.
pub(super) struct Client {
    agent: Agent,
    manners: Manners,
    last: Option<Instant>,
}

impl Client {
    pub(super) fn new(manners: Manners) -> Self {
        let config = Agent::config_builder()
            .user_agent(concat!("estampa/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .http_status_as_error(false)
            .max_redirects(REDIRECTIONS)
            .max_redirects_will_error(true)
            .max_idle_connections(1)
            .timeout_connect(Some(manners.connect))
            .timeout_recv_response(Some(manners.silence))
            .timeout_per_read(Some(manners.silence))
            .build();
        Self { agent: config.new_agent(), manners, last: None }
    }

    /// Sends one request, when its turn has come; `None` where there is no such thing. With `rest`, asks for the bytes
    /// from there on, if the thing still has this validator.
    pub(super) fn send(&mut self, request: &Request, rest: Option<(u64, &str)>) -> Result<Option<Answer>, Trouble> {
        let turn = self.last.map(|last| last + Duration::from_secs_f64(1.0 / self.manners.rate));
        sleep(turn.map_or(Duration::ZERO, |turn| turn.saturating_duration_since(Instant::now())));
        self.last = Some(Instant::now());
        let sent = match (&request.body, rest) {
            (Some(json), _) => self.agent.post(&request.url).content_type("application/json").send(json.as_str()),
            (None, None) => self.agent.get(&request.url).call(),
            (None, Some((from, validator))) => {
                let range = format!("bytes={from}-");
                self.agent.get(&request.url).header("Range", range).header("If-Range", validator).call()
            }
        };
        let (head, body) = sent.map_err(|error| trouble(&request.url, error))?.into_parts();
        match head.status.as_u16() {
            // a part is no answer to who asked for all
            status if status == 200 || rest.is_some() && [206, 416].contains(&status) => {
                let length = head.headers.get("content-length").and_then(|v| v.to_str().ok()?.parse().ok());
                let body = Box::new(body.into_reader());
                Ok(Some(Answer { status, headers: head.headers, length, body }))
            }
            404 | 410 => Ok(None),
            408 | 425 | 429 | 500 | 502..=504 => {
                Err(Trouble::passing(&request.url, words(head.status), pause_asked(&head.headers)))
            }
            _ => Err(Fault::Refused { url: request.url.clone(), why: words(head.status) }.into()),
        }
    }

    /// A whole answer as text.
    pub(super) fn text(&mut self, request: &Request, limit: u64) -> Result<Option<String>, Trouble> {
        let Some(answer) = self.send(request, None)? else { return Ok(None) };
        let mut text = Vec::new();
        let read = answer.body.take(limit + 1).read_to_end(&mut text);
        read.map_err(|error| Trouble::passing(&request.url, error, None))?;
        if text.len() as u64 > limit {
            return Err(Fault::TooLarge { url: request.url.clone(), limit }.into());
        }
        let odd = |_| Fault::Wrong { name: request.url.clone(), what: "the answer is no text".into() };
        Ok(Some(String::from_utf8(text).map_err(odd)?))
    }

    /// Tries until it does, with pauses between; gives up after so many tries that brought nothing.
    pub(super) fn try_again<T>(
        &mut self,
        watch: &dyn Watch,
        mut attempt: impl FnMut(&mut Self) -> Result<T, Trouble>,
    ) -> Result<T, Fault> {
        let mut tries = 0;
        loop {
            let (url, why, after, has_moved) = match attempt(self) {
                Ok(done) => return Ok(done),
                Err(Trouble::Lasting(fault)) => return Err(fault),
                Err(Trouble::Passing { url, why, after, has_moved }) => (url, why, after, has_moved),
            };
            tries = if has_moved { 1 } else { tries + 1 };
            if tries >= self.manners.tries {
                return Err(Fault::GaveUp { url, why, tries });
            }
            if let Some(after) = after.filter(|after| *after > self.manners.longest_pause) {
                return Err(Fault::Later { url, why, seconds: after.as_secs() });
            }
            let pause = after.unwrap_or_else(|| backoff(self.manners.pause, tries));
            watch.hear(&Event::Waits { seconds: pause.as_secs_f64(), why: &why });
            sleep(pause);
        }
    }
}

/// The pause after so many tries: doubled each time, and shortened at random by up to a half so that many clients that
/// failed together do not come back together.
fn backoff(first: Duration, tries: u32) -> Duration {
    let random = RandomState::new().hash_one(tries) as f64 / u64::MAX as f64;
    first.mul_f64(f64::from(1 << (tries - 1).min(DOUBLINGS)) * (1.0 - random / 2.0))
}

/// How long the server asks to wait: seconds, or until a date.
fn pause_asked(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

fn words(status: StatusCode) -> String {
    format!("the server answers {status}")
}

/// Whether another try may do, by what the client says.
fn trouble(url: &str, error: ureq::Error) -> Trouble {
    use ureq::Error::{ConnectionFailed, HostNotFound, Io, Protocol, Timeout};
    match error {
        ConnectionFailed | HostNotFound | Io(_) | Protocol(_) | Timeout(_) => Trouble::passing(url, error, None),
        lasting => Fault::Refused { url: url.to_string(), why: lasting.to_string() }.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_stay_within_half_of_that() {
        for (tries, most) in [(1, 10.0), (2, 20.0), (4, 80.0), (9, 2560.0), (30, 2560.0)] {
            for _ in 0..50 {
                let pause = backoff(Duration::from_secs(10), tries).as_secs_f64();
                assert!((most / 2.0..=most).contains(&pause), "{pause} after {tries}");
            }
        }
    }

    #[test]
    fn a_server_may_ask_in_seconds_or_by_a_date() {
        let asked = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", text.parse().unwrap());
            pause_asked(&headers).map(|pause| pause.as_secs_f64())
        };
        assert_eq!(asked("120"), Some(120.0));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT"), Some(0.0));
        let later = asked(&httpdate::fmt_http_date(SystemTime::now() + Duration::from_mins(1))).unwrap();
        assert!((58.0..=60.0).contains(&later), "{later}");
        assert_eq!(asked("soon"), None);
    }
}
