//! The scripts: which parts each one is made of.

use std::sync::LazyLock;

/// One script and its hash.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) source: &'static str,
    pub(super) hash: String,
}

impl Script {
    fn new(source: &'static str) -> Self {
        let hash = redis::Script::new(source).get_hash().to_owned();
        Self { source, hash }
    }
}

macro_rules! scripts {
    ($($(#[$meta:meta])* $name:ident = $($part:literal)+;)+) => {
        $(
            $(#[$meta])*
            pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
                Script::new(concat!(include_str!("lua/identity.lua"), $("\n", include_str!(concat!("lua/", $part))),+))
            });
        )+
    };
}

/// Answers on a replica too, so it does without identity.lua.
pub(super) static EXAMINE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/examine.lua")));

scripts! {
    MEMORY = "memory.lua";
    STANDING = "standing.lua";
    STAGE = "stage.lua";
    ACTIVATE = "activate.lua";
    LOOK = "registry.lua" "look.lua";
    NOW = "registry.lua" "now.lua";
    RESOLVE = "registry.lua" "resolve.lua";
    CONFIRM = "registry.lua" "confirm.lua";
    HISTORY = "registry.lua" "history.lua";
    RESERVE = "registry.lua" "reserve.lua";
    PUBLISH = "registry.lua" "release.lua" "prune.lua" "publish.lua";
    ABANDON = "registry.lua" "release.lua" "abandon.lua";
    FORGET = "registry.lua" "prune.lua" "forget.lua";
    BLOCKING = "registry.lua" "blocking.lua";
    OVERDUE = "registry.lua" "overdue.lua";
    MARK = "registry.lua" "mark.lua";
    OUTCOME = "registry.lua" "outcome.lua";
    PERIOD = "registry.lua" "period.lua";
    HOLD = "registry.lua" "hold.lua";
    ENTRIES = "registry.lua" "entries.lua";
}
