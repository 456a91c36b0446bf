//! Plugins over HTTP, in an embedding that has a wasmtime of its own: `POST /NAME` runs `NAME.wasm` on the body.
//!
//! ```sh
//! cargo run --example http -- guest-examples/target/wasm32-unknown-unknown/release dir:./data 127.0.0.1:8080
//! curl --data '{"key": "visits", "times": 3}' http://127.0.0.1:8080/counter
//! ```
//!
//! Everything that `Plugin::load` and `Plugin::run` do for a program that uses the library is done here by hand: engine, linker,
//! store, limits. A program with other imports to offer adds them to the same linker.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path as Segment, State};
use axum::http::StatusCode;
use axum::routing::post;
use sop_host::capability::{HostState, add_to_linker};
use sop_host::{Database, Grant, Grants, Mode, RunLimits, plugin};
use wasmtime::component::{Component, ComponentType, InstancePre, Lift, Linker};
use wasmtime::{Config, Engine, Store};

/// Most bytes of a request.
const REQUEST_BYTES_MAX: usize = 1 << 20;
/// How often running plugins are interrupted, to look at the time and let others run.
const TICK: Duration = Duration::from_millis(5);

/// What this embedding keeps for each run: its own data, and what sop needs.
struct Visit {
    sop: HostState,
}

/// `run-error` of world `plugin`.
#[derive(ComponentType, Lift)]
#[component(variant)]
enum RunError {
    #[component(name = "conflict")]
    Conflict,
    #[component(name = "failed")]
    Failed(String),
}

/// The server: compiled plugins by name, on one database.
struct Server {
    engine: Engine,
    plugins: HashMap<String, InstancePre<Visit>>,
    database: Database,
    limits: RunLimits,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Answer = Result<Vec<u8>, (StatusCode, String)>;

impl Server {
    fn new(folder: &Path, database: Database) -> Result<Self, Failure> {
        let mut config = Config::new();
        config.epoch_interruption(true);
        let engine = Engine::new(&config)?;
        let mut linker = Linker::<Visit>::new(&engine);
        add_to_linker(&mut linker, |visit| &mut visit.sop)?;
        let mut plugins = HashMap::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let Some(name) = path.file_stem().and_then(|name| name.to_str()) else {
                continue;
            };
            if path.extension().is_none_or(|extension| extension != "wasm") {
                continue;
            }
            // One component out of the plugin and the engine: it asks for nothing but sop:storage.
            let component = match plugin::compose(&std::fs::read(&path)?) {
                Ok(bytes) => Component::new(&engine, bytes)?,
                Err(error) => {
                    eprintln!("{} is left out: {error}", path.display());
                    continue;
                }
            };
            if component
                .component_type()
                .get_export(&engine, "run")
                .is_some()
            {
                plugins.insert(name.to_owned(), linker.instantiate_pre(&component)?);
            }
        }
        let ticking = engine.weak();
        std::thread::spawn(move || {
            while let Some(engine) = ticking.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        });
        Ok(Self {
            engine,
            plugins,
            database,
            limits: RunLimits::default(),
        })
    }

    async fn run(&self, name: &str, request: &[u8]) -> Answer {
        let plugin = self
            .plugins
            .get(name)
            .ok_or_else(|| (StatusCode::NOT_FOUND, format!("no plugin `{name}`\n")))?;
        // A plugin gets the stores that begin with its own name, and makes them.
        let grants: Grants = [
            Grant::exact(format!("{name}s"), Mode::Create),
            Grant::prefix(format!("{name}/"), Mode::Create),
        ]
        .into_iter()
        .collect();
        let sop = self.database.host_state_within(grants, &self.limits);
        let mut store = Store::new(&self.engine, Visit { sop });
        store.limiter(|visit| visit.sop.limiter());
        store.epoch_deadline_async_yield_and_update(1);
        store.set_epoch_deadline(1);
        let run = call(&mut store, plugin, request);
        // Dropping the store at the end rolls back whatever the plugin left open.
        match tokio::time::timeout(self.limits.wall, run).await {
            Err(_) => Err((StatusCode::GATEWAY_TIMEOUT, "it took too long\n".to_owned())),
            Ok(Err(trap)) => Err((
                StatusCode::BAD_GATEWAY,
                format!("it was stopped: {trap:#}\n"),
            )),
            Ok(Ok(Err(RunError::Conflict))) => {
                Err((StatusCode::CONFLICT, "run it again\n".to_owned()))
            }
            Ok(Ok(Err(RunError::Failed(message)))) => {
                Err((StatusCode::UNPROCESSABLE_ENTITY, format!("{message}\n")))
            }
            Ok(Ok(Ok(response))) => Ok(response),
        }
    }
}

async fn call(
    store: &mut Store<Visit>,
    plugin: &InstancePre<Visit>,
    request: &[u8],
) -> wasmtime::Result<Result<Vec<u8>, RunError>> {
    let instance = plugin.instantiate_async(&mut *store).await?;
    let run =
        instance.get_typed_func::<(&[u8],), (Result<Vec<u8>, RunError>,)>(&mut *store, "run")?;
    Ok(run.call_async(&mut *store, (request,)).await?.0)
}

async fn serve(
    State(server): State<Arc<Server>>,
    Segment(name): Segment<String>,
    request: Bytes,
) -> Answer {
    server.run(&name, &request).await
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(url), Some(address)) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: http FOLDER DATABASE ADDRESS".into());
    };
    let database = Database::open(&url).await?;
    let server = Arc::new(Server::new(Path::new(&folder), database.clone())?);
    let listener = tokio::net::TcpListener::bind(address.parse::<SocketAddr>()?).await?;
    println!(
        "{} plugins at http://{}",
        server.plugins.len(),
        listener.local_addr()?
    );
    let routes = axum::Router::new()
        .route("/{plugin}", post(serve))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(server);
    axum::serve(listener, routes)
        .with_graceful_shutdown(async {
            // Without a handler for it, the signal ends the process by itself.
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    Ok(database.close().await?)
}
