//! What a server says about itself, for `sop doctor`: also a server that cannot be used.

use std::time::{Duration, Instant};

use super::scripts::EXAMINE;
use super::server::RedisServer;
use crate::registry::RegistryError;
use crate::registry::server::RegistryServer;

/// The answers of a server, as text of its `INFO`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examination {
    information: String,
    /// Commands of the scripts that it refuses to this user, with its reasons; `None` = not tried, as it is no master.
    pub refused: Option<Vec<String>>,
}

impl Examination {
    /// A field of `INFO`.
    pub fn field(&self, name: &str) -> Option<&str> {
        let fields = self.information.lines();
        let mut pairs = fields.filter_map(|line| line.trim_end().split_once(':'));
        pairs.find_map(|(field, value)| (field == name).then_some(value))
    }

    /// A field that is a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.field(name)?.parse().ok()
    }

    /// Whether it is a master.
    pub fn is_master(&self) -> bool {
        self.field("role") == Some("master")
    }

    /// What it says instead of describing itself, such as a missing right.
    pub fn silence(&self) -> Option<&str> {
        (self.field("redis_version").is_none() || self.field("role").is_none())
            .then(|| self.information.trim())
    }
}

impl RedisServer {
    /// How long one call takes that does nothing.
    pub async fn measure_round_trip(&self) -> Result<Duration, RegistryError> {
        let begun = Instant::now();
        self.call(self.arguments(&EXAMINE, 0).bytes(b"")).await?;
        Ok(begun.elapsed())
    }

    /// What it says about itself, and whether its user may do what the scripts do. Changes nothing.
    pub async fn examine(&self) -> Result<Examination, RegistryError> {
        let mut reply = self
            .call(self.arguments(&EXAMINE, 0).bytes(b"look"))
            .await?;
        let mut information = String::new();
        while reply.len() > 0 {
            information.push_str(&reply.text()?);
            information.push('\n');
        }
        let mut examination = Examination {
            information,
            refused: None,
        };
        if examination.is_master() {
            let mut reply = self.call(self.arguments(&EXAMINE, 0).bytes(b"try")).await?;
            let mut refused = Vec::with_capacity(reply.len());
            while reply.len() > 0 {
                refused.push(reply.text()?);
            }
            examination.refused = Some(refused);
        }
        Ok(examination)
    }

    /// The epoch that is complete there, and the newest that is remembered: beside each other they tell a registry that
    /// lost something from an empty one.
    pub async fn epochs(&self) -> Result<(Option<u32>, Option<u32>), RegistryError> {
        let standing = self.standing().await?;
        Ok((standing.epoch, standing.remembered))
    }
}
