//! Two ways to keep lists in a database.

use super::session::{Attempt, Session};

/// How lists are kept.
#[derive(Clone, Copy, Debug)]
pub enum Lists {
    /// A list is one value: transactions meet at its key.
    Values,
    /// A list is a store, an element an item with its position: transactions meet only in the range that they scanned, as
    /// phantoms of one another.
    Items,
}

const VALUES: &str = "lists";

fn store_of(key: u64) -> String {
    format!("list-{key}")
}

impl Lists {
    /// Creates what is needed for so many empty lists.
    pub async fn create(self, session: &mut dyn Session, keys: u64) -> Attempt<()> {
        match self {
            Self::Values => session.create(VALUES).await,
            Self::Items => {
                for key in 0..keys {
                    session.create(&store_of(key)).await?;
                }
                Ok(())
            }
        }
    }

    /// Appends an element to a list.
    pub async fn append(self, session: &mut dyn Session, key: u64, element: u64) -> Attempt<()> {
        match self {
            Self::Values => {
                let key = key.to_string();
                let list = match session.get(VALUES, &key).await? {
                    Some(list) => format!("{list},{element}"),
                    None => element.to_string(),
                };
                session.put(VALUES, &key, &list).await
            }
            Self::Items => {
                let position = self.read(session, key).await?.len();
                // Neighbours in the list are not neighbours in the tree.
                let item = format!("{:03}-{element}", element * 31 % 1_000);
                session
                    .put(&store_of(key), &item, &position.to_string())
                    .await
            }
        }
    }

    /// The elements of a list, in order.
    pub async fn read(self, session: &mut dyn Session, key: u64) -> Attempt<Vec<u64>> {
        let number = |text: &str| text.parse::<u64>().unwrap();
        match self {
            Self::Values => {
                let list = session.get(VALUES, &key.to_string()).await?;
                Ok(list
                    .iter()
                    .flat_map(|list| list.split(','))
                    .map(number)
                    .collect())
            }
            Self::Items => {
                let items = session.scan(&store_of(key)).await?.into_iter();
                let mut elements: Vec<_> = items
                    .map(|(item, position)| {
                        let (_, element) = item.split_once('-').unwrap();
                        (number(&position), number(element))
                    })
                    .collect();
                elements.sort_unstable();
                Ok(elements.into_iter().map(|(_, element)| element).collect())
            }
        }
    }
}
