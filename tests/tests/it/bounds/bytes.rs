//! Goal: the bytes on the registry's link for one transaction stay below a constant, whatever the number of hosts. Method: a
//! proxy before Redis counts what hosts send and get while they take turns, each at the same work; beside it, what the same
//! work would cost if every change were sent to every other host, measured with publish and subscribe on the same server.

use futures::StreamExt;
use sop_host::{Database, Isolation};
use sop_tests::servers::proxy::Proxy;

use super::{Place, fill, key};

const ITEMS: u32 = 8_000;
/// Items that lie in different leaves.
const APART: u32 = 100;
/// Leaves that one transaction changes, and as many others that it only reads.
const LEAVES: u32 = 8;
/// Bytes of the notice of one changed id: the id and its version.
const NOTICE_BYTES: usize = 21;
/// Rounds before it is measured.
const WARM: u32 = 2;
/// What one transaction of this work may cost: `now` with a full feed, reserve, publish, and the handles that it confirms.
const BYTES_MAX: u64 = 12 << 10;

/// What a number of hosts cost.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub hosts: u32,
    /// Bytes on the registry's link for each transaction.
    pub feed: u64,
    /// The same if every change were sent to every other host.
    pub broadcast: u64,
}

/// One transaction of the work: it reads leaves that others change, and changes leaves of its own part.
async fn work(database: &Database, host: u32, turn: u32) {
    let tx = database.begin(Isolation::Serializable).await.unwrap();
    let store = tx.open_store("s").await.unwrap();
    let leaves = ITEMS / APART;
    for leaf in 0..LEAVES {
        let read = (host * 31 + turn * 17 + leaf * 7) % leaves;
        assert!(store.get(key(read * APART)).await.unwrap().is_some());
        let own = (host * LEAVES + leaf) % leaves;
        let value = format!("host {host}, turn {turn}");
        store.put(key(own * APART), value).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// So many hosts, taking turns.
pub async fn measure(hosts: u32, rounds: u32) -> Measured {
    let place = Place::new().await;
    let proxy = Proxy::raw(place.redis.port()).await;
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let mut databases = Vec::new();
    for _ in 0..hosts {
        databases.push(place.open(&url).await);
    }
    fill(&databases[0], ITEMS).await;
    let mut before = 0;
    for turn in 0..WARM + rounds {
        if turn == WARM {
            before = proxy.bytes_passed();
        }
        for (host, database) in (0..).zip(&databases) {
            work(database, host, turn).await;
        }
    }
    let transactions = u64::from(hosts * rounds);
    let feed = (proxy.bytes_passed() - before) / transactions;
    let notices = broadcast(&place, hosts, rounds).await / transactions;
    for database in databases {
        database.close().await.unwrap();
    }
    Measured {
        hosts,
        feed,
        broadcast: notices,
    }
}

/// The bytes of the notices alone, if each change went to every other host.
async fn broadcast(place: &Place, hosts: u32, rounds: u32) -> u64 {
    let proxy = Proxy::raw(place.redis.port()).await;
    let client = redis::Client::open(format!("redis://127.0.0.1:{}", proxy.port())).unwrap();
    let mut listeners = Vec::new();
    for _ in 1..hosts {
        let mut listener = client.get_async_pubsub().await.unwrap();
        listener.subscribe("changed").await.unwrap();
        listeners.push(listener);
    }
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let before = proxy.bytes_passed();
    let notice = vec![7_u8; NOTICE_BYTES * LEAVES as usize];
    for _ in 0..hosts * rounds {
        let publish = redis::cmd("PUBLISH").arg("changed").arg(&notice).to_owned();
        let heard: u32 = publish.query_async(&mut connection).await.unwrap();
        assert_eq!(heard, hosts - 1);
        for listener in &mut listeners {
            let message = listener.on_message().next().await.unwrap();
            assert_eq!(message.get_payload_bytes().len(), notice.len());
        }
    }
    proxy.bytes_passed() - before
}

#[tokio::test]
async fn bytes_of_a_transaction_do_not_grow_with_the_number_of_hosts() {
    let mut all = Vec::new();
    for hosts in [1, 4, 16] {
        let measured = measure(hosts, 4).await;
        println!("{measured:?}");
        assert!(measured.feed <= BYTES_MAX, "{measured:?}");
        all.push(measured);
    }
    let (four, sixteen) = (all[1], all[2]);
    // The feed is full long before: from there on only the own footprint counts.
    assert!(
        sixteen.feed < 2 * four.feed,
        "four times the hosts: {four:?}, {sixteen:?}"
    );
    assert!(
        sixteen.broadcast > 3 * four.broadcast,
        "{four:?}, {sixteen:?}"
    );
}
