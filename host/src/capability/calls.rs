//! How often the imports were called.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! calls {
    ($($name:ident: $what:literal,)*) => {
        /// Calls of the engine's imports, by function.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
        pub struct Calls {
            $(#[doc = $what] pub $name: u64,)*
        }

        /// The counters behind [`Calls`].
        #[derive(Debug, Default)]
        pub struct CallCounters {
            $(pub(super) $name: AtomicU64,)*
        }

        impl CallCounters {
            /// What was counted so far.
            pub fn read(&self) -> Calls {
                Calls { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

calls! {
    now: "`registry.now`.",
    release: "`registry.release`.",
    resolve: "`registry.resolve`.",
    resolve_ids: "Ids in calls of `registry.resolve`.",
    counters: "`registry.counters`.",
    allocate: "`registry.allocate` and `registry.allocate-store`.",
    granted: "`registry.granted`.",
    commit: "`registry.commit`.",
    outcome: "`registry.outcome`.",
    get: "`blobs.get`.",
    get_ids: "Ids in calls of `blobs.get`.",
    get_bytes: "Bytes answered by `blobs.get`.",
    spill: "`blobs.spill`.",
    denied: "Calls that were denied.",
}

/// Counts one.
pub(super) fn count(counter: &AtomicU64) {
    add(counter, 1);
}

/// Counts several.
pub(super) fn add(counter: &AtomicU64, amount: usize) {
    counter.fetch_add(amount as u64, Ordering::Relaxed);
}
