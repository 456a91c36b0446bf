//! The registry on a Redis server: one for a swarm of hosts. Every step is one Lua script, one
//! round trip.
//!
//! ```text
//!   RedisRegistry (per epoch) ──┐                           ┌─► redis://     one server
//!     reads, commit, snapshots  ├─► scripts ─► Link ────────┼─► …+sentinel:// whoever the Sentinels call master
//!   RedisServer ────────────────┘   (lua/)     one shared   └─► …+cluster://  the node of this database's slot
//!     standing, stage, activate                connection
//! ```
//!
//! # Keys
//!
//! All keys of a database have the hash tag `{name}`, so they lie in one slot. `sop:{name}:epoch`,
//! the root, says which epoch is active; every other key has the number of its epoch in its name,
//! so a late script of an old epoch cannot touch a newer one, staging needs no keys of its own, and
//! activation is one write to the root.
//!
//! ```text
//!   sop:{name}:epoch           hash  stamp, number | version, ticket, floor, releases, bytes of history, two ring counters, the
//!                                    highest ticket that is forgotten | period, its first ticket, when it
//!                                    began | spill floor, relocations
//!   sop:{name}:epochs          set   the epochs that have keys, so that the next activation removes them
//!   sop:{name}:7:handles       hash  id -> version 5 | kind 2 | chain, or counter | last ticket 6, and the state before
//!   sop:{name}:7:past          zset  id | version | kind | chain, all scores equal                (still older states)
//!   sop:{name}:7:queue         list  what was superseded by which version, when, how many bytes        (for pruning)
//!   sop:{name}:7:intents       hash  id -> 'x' ticket, or 's' tickets…
//!   sop:{name}:7:reservations  hash  't' ticket -> segment, made, deadline; 'k' segment -> ticket
//!   sop:{name}:7:claims        hash  ticket -> ids
//!   sop:{name}:7:feed          hash  ring of the newest publications: version, ids
//!   sop:{name}:7:published     hash  ticket -> versions, transaction -> version; two rings of the newest ones
//!   sop:{name}:7:snapshots     hash  host -> lease, lowest version in use
//!   sop:{name}:7:spills        hash  host -> lease, earliest period in which it has bodies written ahead
//!   sop:{name}:7:marks         zset  id -> deadline of its waiting mark
//!   sop:{name}:7:staged        hash  batches and entries, until the epoch is active
//! ```
//!
//! Each of them has a **stamp** inside: identity of the server (`run_id` and `master_replid`) and
//! number of the epoch. So a deleted, evicted or recreated key shows, an empty one does not look
//! like a lost one, and nothing that a copy of the data (a restart from disk, a replica that was
//! promoted) holds passes for the registry of the epoch.
//!
//! One hash holds all handles, rather than one key each (a missing key would look like an absent
//! handle) or many buckets (each call would have to look for the stamp of every bucket it touches,
//! and cut its ids up in Lua; with one hash, a read at the newest version runs no Lua per id). A
//! hash grows step by step and is freed beside the server's loop. The price: a database moves
//! between cluster nodes as one large key.
//!
//! The state superseded last stays in the record; it costs the flip of what changes seldom nothing.
//! Older ones that can still be read are in one sorted set, in the order of (id, version): a
//! counter that a thousand commits change in a second keeps a minute of versions, and neither reads
//! nor flips may cost more for it.
//!
//! # Invariants
//!
//! - A script makes all its checks before its first write; the first ones are identity, epoch and
//!   "not older than the caller has seen". A Lua error is not rolled back, so after the checks
//!   nothing may fail.
//! - Nothing is ever sent twice by the connection: a lost answer is `Unavailable`, and the caller
//!   knows what that means.
//! - Times are the server's own, and only say when to stop waiting and what history to forget.
//! - A host registers the lowest version it has in use; a registration that is too low keeps too
//!   much, never too little.
//!
//! It is *not* durable, whatever the server is told about persistence: a server that comes back has
//! another `run_id`.
//!
//! What it needs: Redis 6.2 or newer, `maxmemory-policy noeviction` or no `maxmemory`; a user with
//! access to `~sop:{name}:*` and the commands `EVALSHA`, `EVAL`, `INFO`, `TIME` and those on
//! hashes, lists, sets and sorted sets.

mod address;
mod arguments;
mod codec;
mod commit;
mod examination;
mod link;
mod period;
mod reads;
mod registry;
mod reply;
mod scripts;
mod server;
mod snapshots;

pub use self::examination::Examination;
pub use self::registry::RedisRegistry;
pub use self::server::{RedisOptions, RedisServer};
