//! Redis servers: one, a master with replicas and Sentinels, a cluster.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use redis::{Client, Connection, FromRedisValue};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a server may take to come up, or a cluster to agree.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program, which `make servers` installs.
pub fn program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let find = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .map(|folder| folder.join("redis-server"))
            .find(|file| file.is_file())
    };
    PROGRAM
        .get_or_init(|| find().expect("redis-server is missing: `make servers` installs it"))
        .clone()
}

/// A port of the loopback interface that nobody uses at this moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Waits until something is so.
pub fn wait_for(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < PATIENCE, "{what}: not in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_interrupted(error: &redis::RedisError) -> bool {
    error.is_io_error() && error.to_string().contains("(os error 4)")
}

/// One server process.
#[derive(Debug)]
pub struct RedisProcess {
    port: u16,
    directory: TempDir,
    arguments: Vec<String>,
    /// User and password of the harness's own connection.
    access: String,
    child: Option<Child>,
}

impl RedisProcess {
    /// A server without persistence.
    pub fn start() -> Self {
        Self::start_with(&["--save", ""])
    }

    /// A server with these arguments beyond port and directory.
    pub fn start_with(arguments: &[&str]) -> Self {
        Self::start_as("", arguments)
    }

    /// The same, asked by the harness as `user:password@`.
    pub fn start_as(access: &str, arguments: &[&str]) -> Self {
        let mut process = Self {
            port: free_port(),
            directory: tempfile::tempdir().unwrap(),
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
            access: access.to_owned(),
            child: None,
        };
        process.spawn();
        process
    }

    fn spawn(&mut self) {
        let mut command = Command::new(program());
        // Sentinels want their file first.
        let file = self
            .arguments
            .first()
            .filter(|first| first.ends_with(".conf"));
        command.args(file);
        command.args(["--port", &self.port.to_string()]);
        command.arg("--dir").arg(self.directory.path());
        command.args(["--bind", "127.0.0.1", "--daemonize", "no"]);
        command.args(&self.arguments[usize::from(file.is_some())..]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        wait_for("redis-server", || {
            self.try_command::<String>(&["PING"]).is_some()
        });
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:port`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its URL, without user and password.
    pub fn url(&self) -> String {
        format!("redis://{}", self.host())
    }

    /// Its directory.
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    fn connection(&self) -> redis::RedisResult<Connection> {
        let client = Client::open(format!("redis://{}{}", self.access, self.host()))?;
        client.get_connection_with_timeout(Duration::from_secs(2))
    }

    fn try_command<T: FromRedisValue>(&self, words: &[&str]) -> Option<T> {
        self.query(words).ok()
    }

    /// Sends one command on a connection of its own, and again when a signal comes between: one that may run twice.
    pub fn query<T: FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        loop {
            match self.query_once(words) {
                // A child that stops or ends is a signal, and reads with a time limit do not go on after one.
                Err(error) if is_interrupted(&error) => {}
                result => return result,
            }
        }
    }

    fn query_once<T: FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let mut connection = self.connection()?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query(&mut connection)
    }

    /// Sends one command whose answer does not matter.
    pub fn command(&self, words: &[&str]) {
        let _: redis::Value = self
            .query(words)
            .unwrap_or_else(|error| panic!("{words:?}: {error}"));
    }

    /// One line of INFO; nothing if the server does not answer, as one that changes its role.
    pub fn info(&self, section: &str, name: &str) -> String {
        let text: String = self.try_command(&["INFO", section]).unwrap_or_default();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.unwrap_or_default().to_owned()
    }

    /// How often each command was carried out, those of scripts included, and those that failed not.
    pub fn commands(&self) -> BTreeMap<String, u64> {
        let text: String = self.query(&["INFO", "commandstats"]).unwrap();
        let lines = text.lines().filter_map(|line| {
            let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(':')?;
            let figure = |name: &str| -> u64 {
                let mut figures = figures
                    .split(',')
                    .filter_map(|figure| figure.split_once('='));
                let figure = figures.find_map(|(other, value)| (other == name).then_some(value));
                figure.map_or(0, |figure| figure.parse().unwrap())
            };
            Some((name.to_owned(), figure("calls") - figure("failed_calls")))
        });
        lines.collect()
    }

    /// Scripts that it has run.
    pub fn scripts_run(&self) -> u64 {
        let commands = self.commands();
        let scripts = ["evalsha", "eval"].map(|name| commands.get(name).copied().unwrap_or(0));
        scripts.into_iter().sum()
    }

    /// Microseconds of processor time that its loop has used: other processes on the machine do not count.
    pub fn processor_us(&self) -> u64 {
        ["user", "sys"]
            .iter()
            .map(|kind| self.info("cpu", &format!("used_cpu_{kind}_main_thread")))
            // Six digits follow the point.
            .map(|seconds| seconds.trim().replace('.', "").parse::<u64>().unwrap())
            .sum()
    }

    /// Kills it, as if the machine had stopped.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Kills it and starts it again, on what it had on disk.
    pub fn restart(&mut self) {
        self.kill();
        self.spawn();
    }

    /// Stops it where it is.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        let pid = Pid::from_raw(child.id().cast_signed()).expect("a process has a number");
        kill_process(pid, signal).unwrap();
    }

    /// Makes it a replica and waits until it has everything.
    pub fn follow(&self, master: &Self) {
        self.command(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]);
        wait_for("replication", || {
            self.info("replication", "master_link_status") == "up"
                && self.info("replication", "master_sync_in_progress") == "0"
        });
    }

    /// Ends its being a replica.
    pub fn promote(&self) {
        self.command(&["REPLICAOF", "NO", "ONE"]);
    }
}

impl Drop for RedisProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A master, a replica and one Sentinel that watches them.
#[derive(Debug)]
pub struct Watched {
    /// At first the master.
    pub master: RedisProcess,
    /// At first its replica.
    pub replica: RedisProcess,
    /// Who decides.
    pub sentinel: RedisProcess,
    _configuration: TempDir,
}

impl Watched {
    /// Under the name `swarm`.
    pub fn start() -> Self {
        let arguments = ["--save", "", "--repl-diskless-sync-delay", "0"];
        let (master, replica) = (
            RedisProcess::start_with(&arguments),
            RedisProcess::start_with(&arguments),
        );
        replica.follow(&master);
        let configuration = tempfile::tempdir().unwrap();
        let file = configuration.path().join("sentinel.conf");
        let text = format!(
            "sentinel monitor swarm 127.0.0.1 {} 1\nsentinel down-after-milliseconds swarm 500\n\
             sentinel failover-timeout swarm 3000\n",
            master.port()
        );
        std::fs::write(&file, text).unwrap();
        let sentinel = RedisProcess::start_with(&[file.to_str().unwrap(), "--sentinel"]);
        let watched = Self {
            master,
            replica,
            sentinel,
            _configuration: configuration,
        };
        wait_for("the Sentinel", || watched.knows_replica());
        watched
    }

    fn knows_replica(&self) -> bool {
        self.sentinel
            .info("sentinel", "master0")
            .contains("status=ok,address=")
            && self
                .sentinel
                .info("sentinel", "master0")
                .contains("slaves=1")
    }

    /// Where a registry is found.
    pub fn url(&self) -> String {
        format!("redis+sentinel://{}/swarm", self.sentinel.host())
    }
}

/// Three masters without replicas.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes.
    pub nodes: Vec<RedisProcess>,
}

impl Cluster {
    /// Starts the nodes and lets them share the slots.
    pub fn start() -> Self {
        let start = |_| {
            let bus = free_port().to_string();
            RedisProcess::start_with(&[
                "--save",
                "",
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus,
            ])
        };
        let nodes: Vec<_> = (0..3).map(start).collect();
        let slots = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
        for (node, (first, last)) in nodes.iter().zip(slots) {
            node.command(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
        }
        for node in &nodes[1..] {
            let bus: (String, String) = node.query(&["CONFIG", "GET", "cluster-port"]).unwrap();
            let port = node.port().to_string();
            nodes[0].command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus.1]);
        }
        wait_for("the cluster", || {
            nodes.iter().all(|node| {
                let text: String = node.query(&["CLUSTER", "INFO"]).unwrap();
                text.contains("cluster_state:ok") && text.contains("cluster_known_nodes:3")
            })
        });
        Self { nodes }
    }

    /// Where a registry is found.
    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.nodes.iter().map(RedisProcess::host).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }
}
