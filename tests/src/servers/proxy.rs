//! A proxy between a client and a server that does to requests and answers what networks and servers do.
//!
//! ```text
//!   client ──request──► proxy ──────► server        refuse │ delay │ hold │ cut the request │ answer itself
//!          ◄──answer───       ◄──────               lose the answer │ cut it │ drip it │ answer something else
//! ```
//!
//! For HTTP a request is a whole message; for anything else (Redis) what the client wrote at once. A request that is held is
//! passed on when it is let go, even if its client gave up long ago.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::http::{Message, answer, read_message};
use super::steps::{Moment, Steps};

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Its connection is closed and nothing is passed on.
    Refuse,
    /// It is passed on after this time.
    Delay(Duration),
    /// It is passed on after a random time up to this one.
    Jitter(Duration),
    /// It is passed on when it is let go: a server that stops for a while.
    Hold,
    /// So many of its bytes are passed on, then both connections are closed.
    CutRequest(usize),
    /// It is passed on and carried out; its connection is closed instead of an answer.
    LoseAnswer,
    /// So many bytes of the answer come, then the connection is closed.
    CutAnswer(usize),
    /// The answer comes in so many bytes at a time, with a pause between.
    Drip(usize, Duration),
    /// HTTP: this status is answered, nothing is passed on.
    Answer(u16),
    /// HTTP: it is passed on and carried out, and this status is answered.
    AnswerInstead(u16),
    /// The trap of the [`Steps`] springs; then it is held.
    TrapRequest,
    /// It is passed on and carried out; when the answer comes, the trap springs and the answer is held.
    TrapAnswer,
}

/// A fault, for which requests.
#[derive(Clone, Debug)]
struct Rule {
    fault: Fault,
    /// Text in the head of the request.
    text: String,
    /// For how many more requests.
    left: usize,
}

#[derive(Debug)]
struct Shared {
    target: AtomicU16,
    http: bool,
    rules: Mutex<Vec<Rule>>,
    /// First lines of the requests that came.
    seen: Mutex<Vec<String>>,
    /// Grows when held requests are let go.
    go: watch::Sender<u64>,
    /// Grows when all connections are closed.
    cut: watch::Sender<u64>,
    /// Bytes that were passed on, other than HTTP: to the server, and to the client.
    passed: [AtomicU64; 2],
    /// Who counts the requests.
    steps: Mutex<Option<Arc<Steps>>>,
}

/// A proxy; it ends with the runtime it was started in.
#[derive(Clone, Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Before an HTTP server on this port.
    pub async fn http(target: u16) -> Self {
        Self::start(target, true).await
    }

    /// Before any server on this port.
    pub async fn raw(target: u16) -> Self {
        Self::start(target, false).await
    }

    async fn start(target: u16, http: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            target: AtomicU16::new(target),
            http,
            rules: Mutex::default(),
            seen: Mutex::default(),
            go: watch::Sender::new(0),
            cut: watch::Sender::new(0),
            passed: Default::default(),
            steps: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let _ = client.set_nodelay(true);
                let shared = Arc::clone(&accepting);
                tokio::spawn(async move { shared.serve(client).await });
            }
        });
        Self { port, shared }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on this happens to every request, and nothing else; what was held is let go.
    pub fn set(&self, fault: Fault) {
        self.shared.rules.lock().clear();
        self.next(fault, "", usize::MAX);
        self.let_go();
    }

    /// This happens to the next `times` requests whose heads contain `text`; earlier such wishes come first.
    pub fn next(&self, fault: Fault, text: &str, times: usize) {
        let rule = Rule {
            fault,
            text: text.to_owned(),
            left: times,
        };
        let mut rules = self.shared.rules.lock();
        // What happens to every request comes last.
        let at = rules
            .iter()
            .take_while(|rule| !rule.text.is_empty() || rule.left < usize::MAX);
        let at = at.count();
        rules.insert(at, rule);
    }

    /// From now on new connections lead to this port, and the old ones are closed.
    pub fn aim(&self, target: u16) {
        self.shared.target.store(target, Ordering::SeqCst);
        self.cut();
    }

    /// Closes all connections; what is held on them is gone.
    pub fn cut(&self) {
        self.shared.cut.send_modify(|cut| *cut += 1);
    }

    /// From now on requests are counted there, too.
    pub fn count(&self, steps: &Arc<Steps>) {
        *self.shared.steps.lock() = Some(Arc::clone(steps));
    }

    /// Passes on what is held.
    pub fn let_go(&self) {
        self.shared.go.send_modify(|go| *go += 1);
    }

    /// How many requests came whose first lines contain this text.
    pub fn seen(&self, text: &str) -> usize {
        let seen = self.shared.seen.lock();
        seen.iter().filter(|line| line.contains(text)).count()
    }

    /// Bytes that were passed on, other than HTTP, both ways.
    pub fn bytes_passed(&self) -> u64 {
        let passed = self.shared.passed.iter();
        passed.map(|bytes| bytes.load(Ordering::SeqCst)).sum()
    }

    /// Waits until so many such requests came.
    pub async fn wait_seen(&self, text: &str, count: usize) {
        while self.seen(text) < count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Shared {
    async fn serve(&self, client: TcpStream) {
        let mut cut = self.cut.subscribe();
        let serve = async {
            if self.http {
                self.serve_http(client).await
            } else {
                self.serve_raw(client).await
            }
        };
        tokio::select! {
            _ = serve => {}
            _ = cut.changed() => {}
        }
    }

    fn fault(&self, head: &str) -> Fault {
        let line = head.lines().next().unwrap_or_default().to_owned();
        self.seen.lock().push(line);
        let steps = self.steps.lock().clone();
        match steps.and_then(|steps| steps.step(head)) {
            Some(Moment::Request) => return Fault::TrapRequest,
            Some(Moment::Answer) => return Fault::TrapAnswer,
            None => {}
        }
        let mut rules = self.rules.lock();
        let fits = |rule: &&mut Rule| rule.left > 0 && head.contains(&rule.text);
        rules.iter_mut().find(fits).map_or(Fault::None, |rule| {
            rule.left -= usize::from(rule.left < usize::MAX);
            rule.fault
        })
    }

    /// What goes before passing on; `false` = the connection ends.
    async fn before(&self, fault: Fault) -> bool {
        match fault {
            Fault::Refuse => return false,
            Fault::Delay(time) => tokio::time::sleep(time).await,
            Fault::Jitter(most) => {
                let share = rand::random::<f64>();
                tokio::time::sleep(most.mul_f64(share)).await;
            }
            Fault::Hold => self.hold(false).await,
            Fault::TrapRequest => self.hold(true).await,
            _ => {}
        }
        true
    }

    /// Waits until what is held is let go; does nothing if a trap was to spring and had sprung before.
    async fn hold(&self, trap: bool) {
        let mut go = self.go.subscribe();
        if trap {
            let steps = self.steps.lock().clone();
            let act = steps.and_then(|steps| steps.spring());
            let Some(act) = act else { return };
            // It may wait for the end of a process.
            let _ = tokio::task::spawn_blocking(act).await;
        }
        let _ = go.changed().await;
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let server = TcpStream::connect(("127.0.0.1", self.target.load(Ordering::SeqCst))).await?;
        server.set_nodelay(true)?;
        Ok(server)
    }

    async fn serve_http(&self, client: TcpStream) -> io::Result<()> {
        let (read, mut write) = client.into_split();
        let mut read = BufReader::new(read);
        while let Some(request) = read_message(&mut read, true).await? {
            let fault = self.fault(&request.head);
            if !self.before(fault).await {
                return Ok(());
            }
            if let Fault::Answer(status) = fault {
                write.write_all(&refusal(&request, status)).await?;
                continue;
            }
            let mut server = self.connect().await?;
            let bytes = [request.head.as_bytes(), &request.raw].concat();
            if let Fault::CutRequest(count) = fault {
                server.write_all(&bytes[..count.min(bytes.len())]).await?;
                return server.shutdown().await;
            }
            server.write_all(&bytes).await?;
            let mut server = BufReader::new(server);
            let Some(reply) = read_message(&mut server, request.word(0) != "HEAD").await? else {
                return Ok(());
            };
            let bytes = match fault {
                Fault::AnswerInstead(status) => refusal(&request, status),
                _ => [reply.head.as_bytes(), &reply.raw].concat(),
            };
            if fault == Fault::TrapAnswer {
                self.hold(true).await;
            }
            if !give(&mut write, &bytes, fault).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn serve_raw(&self, client: TcpStream) -> io::Result<()> {
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = self.connect().await?.into_split();
        // What happens to the answer of the newest request.
        let current = watch::Sender::new(Fault::None);
        tokio::select! {
            up = self.pump_up(from_client, to_server, &current) => up,
            down = self.pump_down(from_server, to_client, current.subscribe()) => down,
        }
    }

    async fn pump_up(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        current: &watch::Sender<Fault>,
    ) -> io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = from.read(&mut buffer).await?;
            if count == 0 {
                return Ok(());
            }
            let bytes = &buffer[..count];
            let fault = self.fault(&String::from_utf8_lossy(bytes));
            if !self.before(fault).await {
                return Ok(());
            }
            current.send_replace(fault);
            if let Fault::CutRequest(count) = fault {
                return to.write_all(&bytes[..count.min(bytes.len())]).await;
            }
            self.passed[0].fetch_add(bytes.len() as u64, Ordering::SeqCst);
            to.write_all(bytes).await?;
        }
    }

    async fn pump_down(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        current: watch::Receiver<Fault>,
    ) -> io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = from.read(&mut buffer).await?;
            let fault = *current.borrow();
            if fault == Fault::TrapAnswer {
                self.hold(true).await;
            }
            // Counted before it is given: whoever has the answer finds it counted.
            self.passed[1].fetch_add(count as u64, Ordering::SeqCst);
            if count == 0 || !give(&mut to, &buffer[..count], fault).await? {
                return Ok(());
            }
        }
    }
}

/// Gives an answer to the client; `false` = the connection ends.
async fn give(to: &mut OwnedWriteHalf, bytes: &[u8], fault: Fault) -> io::Result<bool> {
    match fault {
        Fault::LoseAnswer => Ok(false),
        Fault::CutAnswer(count) => {
            to.write_all(&bytes[..count.min(bytes.len())]).await?;
            Ok(false)
        }
        Fault::Drip(count, pause) => {
            for part in bytes.chunks(count.max(1)) {
                to.write_all(part).await?;
                tokio::time::sleep(pause).await;
            }
            Ok(true)
        }
        _ => to.write_all(bytes).await.map(|()| true),
    }
}

fn refusal(request: &Message, status: u16) -> Vec<u8> {
    let code = match status {
        403 => "AccessDenied",
        404 => "NoSuchKey",
        409 => "ConditionalRequestConflict",
        412 => "PreconditionFailed",
        429 => "TooManyRequests",
        503 => "SlowDown",
        507 => "InsufficientStorage",
        _ => "InternalError",
    };
    let body = format!("<Error><Code>{code}</Code><Message>by the proxy</Message></Error>");
    let body = if request.word(0) == "HEAD" { "" } else { &body };
    answer(status, "Content-Type: application/xml\r\n", body.as_bytes())
}
