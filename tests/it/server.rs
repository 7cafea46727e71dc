//! A small HTTP/1.1 server on the loopback interface that answers as a test says, well or badly. It stops when it is
//! dropped; and `estampa fetch` against it. No test of this project speaks to any other address.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use crate::world::{Said, World};

/// Connections after which a server ends by itself.
const MOST: usize = 1000;

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    pub(crate) at: Instant,
}

/// What happens after the bytes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Close,
    Stall,
    GoOn,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Pieces of the body are sent with a pause between.
    drip: Option<Duration>,
    then: Then,
}

impl Reply {
    /// Nothing but a status.
    pub(crate) fn status(status: u16) -> Self {
        let headers = vec![("Content-Length".into(), "0".into())];
        Self { status, headers, body: Vec::new(), drip: None, then: Then::Close }
    }

    /// All of these bytes, without a length: they end where the connection ends.
    pub(crate) fn bare(bytes: &[u8]) -> Self {
        Self { status: 200, headers: Vec::new(), body: bytes.to_vec(), drip: None, then: Then::Close }
    }

    /// All of these bytes.
    pub(crate) fn whole(bytes: &[u8]) -> Self {
        Self::bare(bytes).with("Content-Length", &bytes.len().to_string())
    }

    /// What is asked for of these bytes: the rest if they still have this tag, else all.
    pub(crate) fn file(asked: &Asked, bytes: &[u8], tag: &str) -> Self {
        let from = asked.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
        let from = from.filter(|_| asked.headers.get("if-range").is_none_or(|known| known == tag));
        let from: Option<usize> = from.map(|from| from.parse().unwrap());
        match from {
            Some(from) if from >= bytes.len() => Self::status(416),
            Some(from) => Self { status: 206, ..Self::whole(&bytes[from..]) }
                .with("Content-Range", &format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len()))
                .with("ETag", tag),
            None => Self::whole(bytes).with("ETag", tag),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn under(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// Ends after so many bytes of the body, whatever length was promised.
    pub(crate) fn cut(mut self, bytes: usize) -> Self {
        self.body.truncate(bytes);
        self
    }

    /// Says nothing more after the bytes, and does not close.
    pub(crate) fn stalled(self) -> Self {
        Self { then: Then::Stall, ..self }
    }

    /// Repeats the body without end.
    pub(crate) fn endless(self) -> Self {
        Self { then: Then::GoOn, ..self }
    }

    /// Sends the body in 20 pieces, with pauses.
    pub(crate) fn dripping(self, pause: Duration) -> Self {
        Self { drip: Some(pause), ..self }
    }

    fn send(&self, stream: &mut TcpStream, stop: &AtomicBool) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {} Said\r\nConnection: close\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes())?;
        for piece in self.body.chunks((self.body.len() / if self.drip.is_some() { 20 } else { 1 }).max(1)) {
            stream.write_all(piece)?;
            sleep(self.drip.unwrap_or_default());
        }
        stream.flush()?;
        let begun = Instant::now();
        while self.then != Then::Close && !stop.load(Ordering::Relaxed) && begun.elapsed() < Duration::from_secs(20) {
            match self.then {
                Then::GoOn => stream.write_all(&self.body)?,
                _ => sleep(Duration::from_millis(5)),
            }
        }
        Ok(())
    }
}

/// A server that runs until it is dropped.
pub(crate) struct Server {
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
    log: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers each request with what `answer` makes of it and of the number of earlier requests for the same path.
    pub(crate) fn start(answer: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (log, stop) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::new(AtomicBool::new(false)));
        let (own_log, own_stop, answer) = (log.clone(), stop.clone(), Arc::new(answer));
        let serve = move || {
            for stream in listener.incoming().take(MOST) {
                if own_stop.load(Ordering::Relaxed) {
                    return;
                }
                let (log, stop, answer) = (own_log.clone(), own_stop.clone(), answer.clone());
                spawn(move || {
                    let mut stream = stream.unwrap();
                    let Some(asked) = read_request(&stream) else { return };
                    let earlier = {
                        let mut log = log.lock().unwrap();
                        log.push(asked.clone());
                        log.iter().filter(|other| other.path == asked.path).count() - 1
                    };
                    // Whoever asks may be killed meanwhile.
                    let _ = answer(&asked, earlier).send(&mut stream, &stop);
                });
            }
        };
        Self { url, log, stop, thread: Some(spawn(serve)) }
    }

    /// Files by path, with `Range` and tags; anything else is a 404.
    pub(crate) fn of_files(files: &[(&str, &[u8])]) -> Self {
        let files: BTreeMap<String, Vec<u8>> =
            files.iter().map(|(name, bytes)| ((*name).into(), bytes.to_vec())).collect();
        Self::start(move |asked, _| {
            let file = files.get(asked.path.trim_start_matches('/'));
            file.map_or(Reply::status(404), |bytes| Reply::file(asked, bytes, "\"one\""))
        })
    }

    /// Requests so far, of which the path ends so.
    pub(crate) fn asked(&self, end: &str) -> Vec<Asked> {
        self.log.lock().unwrap().iter().filter(|asked| asked.path.ends_with(end)).cloned().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
        let _ = self.thread.take().unwrap().join();
    }
}

fn read_request(stream: &TcpStream) -> Option<Asked> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let (mut reader, at) = (BufReader::new(stream), Instant::now());
    let mut line = || -> Option<String> {
        let mut line = String::new();
        (reader.read_line(&mut line).ok()? > 0).then(|| line.trim_end().to_string())
    };
    let first = line()?;
    let mut words = first.split(' ').map(String::from);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = BTreeMap::new();
    while let Some((name, value)) = line()?.split_once(':') {
        headers.insert(name.to_ascii_lowercase(), value.trim().to_string());
    }
    let length = headers.get("content-length").map_or(0, |text: &String| text.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { method, path, headers, body: String::from_utf8_lossy(&body).into_owned(), at })
}

/// `estampa fetch` into `data`, impatient, and with every address that is not given one where nobody listens.
pub(crate) fn command(world: &World, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_estampa"));
    command.arg("fetch").args(arguments.split_whitespace()).current_dir(world.path("")).stdin(Stdio::null());
    if !arguments.contains("--to") {
        command.args(["--to", "data"]);
    }
    for (flag, value) in [("--pause", "0.001"), ("--rate", "1000"), ("--read-timeout", "0.5")] {
        if !arguments.contains(flag) {
            command.args([flag, value]);
        }
    }
    for variable in ["ESTAMPA_ARCHIVE", "ESTAMPA_ALERCE", "ESTAMPA_ALERCE_PACKETS", "ESTAMPA_FINK"] {
        command.env(variable, "http://127.0.0.1:1");
    }
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(proxy).env_remove(proxy.to_lowercase());
    }
    command
}

/// What it says in the end.
pub(crate) fn fetch(world: &World, arguments: &str) -> Said {
    Said::of(command(world, arguments).output().unwrap())
}

/// The same, still running.
pub(crate) fn start_fetch(world: &World, arguments: &str) -> Child {
    command(world, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}
