//! What a script answers, read item by item.

use redis::Value;

use crate::registry::RegistryError;

/// The items of an answer.
#[derive(Debug)]
pub(super) struct Reply {
    items: std::vec::IntoIter<Value>,
}

pub(super) fn damaged() -> RegistryError {
    RegistryError::Invalid("the answer of a script has another shape than expected".to_owned())
}

impl Reply {
    fn new(value: Value) -> Result<Self, RegistryError> {
        match value {
            Value::Array(items) => Ok(Self {
                items: items.into_iter(),
            }),
            _ => Err(damaged()),
        }
    }

    /// An answer beginning with `ok`; anything else is the error it names. The floor of an expired
    /// version is a counter.
    pub(super) fn checked(
        value: Value,
        floor: impl FnOnce(u64) -> u64,
    ) -> Result<Self, RegistryError> {
        let mut reply = Self::new(value)?;
        let kind = reply.text()?;
        match kind.as_str() {
            "ok" => Ok(reply),
            "foreign" => Err(RegistryError::Foreign(reply.text()?)),
            "unavailable" | "later" => Err(RegistryError::Unavailable(reply.text()?)),
            "period" => Err(RegistryError::PeriodEnded(
                u32::try_from(reply.number()?).map_err(|_| damaged())?,
            )),
            "invalid" => Err(RegistryError::Invalid(reply.text()?)),
            "expired" => Err(RegistryError::SnapshotExpired(floor(reply.number()?))),
            _ => Err(damaged()),
        }
    }

    pub(super) fn number(&mut self) -> Result<u64, RegistryError> {
        self.optional_number()?.ok_or_else(damaged)
    }

    /// A number, or false.
    pub(super) fn optional_number(&mut self) -> Result<Option<u64>, RegistryError> {
        match self.items.next() {
            Some(Value::Int(number)) => Ok(Some(u64::try_from(number).map_err(|_| damaged())?)),
            Some(Value::Nil | Value::Boolean(false)) => Ok(None),
            _ => Err(damaged()),
        }
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, RegistryError> {
        self.optional_bytes()?.ok_or_else(damaged)
    }

    /// A string, or false.
    pub(super) fn optional_bytes(&mut self) -> Result<Option<Vec<u8>>, RegistryError> {
        match self.items.next() {
            Some(Value::BulkString(bytes)) => Ok(Some(bytes)),
            Some(Value::Nil | Value::Boolean(false)) => Ok(None),
            _ => Err(damaged()),
        }
    }

    pub(super) fn text(&mut self) -> Result<String, RegistryError> {
        String::from_utf8(self.bytes()?).map_err(|_| damaged())
    }

    pub(super) fn list(&mut self) -> Result<Self, RegistryError> {
        self.optional_list()?.ok_or_else(damaged)
    }

    /// A list, or false.
    pub(super) fn optional_list(&mut self) -> Result<Option<Self>, RegistryError> {
        match self.items.next() {
            Some(Value::Nil | Value::Boolean(false)) => Ok(None),
            Some(value) => Self::new(value).map(Some),
            None => Err(damaged()),
        }
    }

    /// How many items are left.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }
}
