//! The simplest S3 that can be: put, get, head, list and delete over a map; it lies as it is told to.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::http::{Message, answer, read_message};
use super::s3::Lie;

/// How long it lies between a look and a store.
const GAP: Duration = Duration::from_millis(50);
const TIMES: &str = "Last-Modified: Mon, 23 Nov 2026 04:00:00 GMT\r\nETag: \"tag\"\r\n";

#[derive(Debug)]
pub(super) struct Shelf {
    lie: Lie,
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
}

/// A whole object, or the part of it that was asked for as `bytes=FIRST-LAST`.
fn found(request: &Message, body: &[u8]) -> Vec<u8> {
    let range = request.header("range").and_then(|range| {
        let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?))
    });
    let Some((first, last)) = range else {
        return answer(200, TIMES, body);
    };
    let length = body.len();
    let last = last.min(length.saturating_sub(1));
    match body.get(first..=last) {
        Some(part) => {
            let headers = format!("{TIMES}Content-Range: bytes {first}-{last}/{length}\r\n");
            answer(206, &headers, part)
        }
        None => answer(416, "", &[]),
    }
}

impl Shelf {
    pub(super) fn new(lie: Lie) -> Self {
        Self {
            lie,
            objects: Mutex::default(),
        }
    }

    pub(super) async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::new(read);
        while let Some(request) = read_message(&mut read, true).await? {
            let answer = self.answer(&request).await;
            write.write_all(&answer).await?;
        }
        Ok(())
    }

    async fn answer(&self, request: &Message) -> Vec<u8> {
        let (path, query) = request
            .word(1)
            .split_once('?')
            .unwrap_or((request.word(1), ""));
        let key = path
            .trim_start_matches('/')
            .split_once('/')
            .map_or("", |(_, key)| key);
        match request.word(0) {
            "PUT" => self.put(key, request).await,
            "GET" if query.contains("list-type") => self.list(query),
            "DELETE" => {
                self.objects.lock().remove(key);
                answer(204, "", &[])
            }
            method => match self.objects.lock().get(key) {
                None => answer(404, "", &[]),
                Some(body) if method == "HEAD" => {
                    let head = format!(
                        "HTTP/1.1 200 OK\r\n{TIMES}Content-Length: {}\r\n\r\n",
                        body.len()
                    );
                    head.into_bytes()
                }
                Some(body) => found(request, body),
            },
        }
    }

    async fn put(&self, key: &str, request: &Message) -> Vec<u8> {
        let conditional = request.header("if-none-match") == Some("*");
        let taken = self.objects.lock().contains_key(key);
        if self.lie == Lie::ChecksThenStores {
            tokio::time::sleep(GAP).await;
        }
        let refused = conditional && taken && self.lie != Lie::IgnoresCondition;
        if !refused || self.lie == Lie::RefusesAndStores {
            self.objects
                .lock()
                .insert(key.to_owned(), request.body.clone());
        }
        answer(if refused { 412 } else { 200 }, TIMES, &[])
    }

    fn list(&self, query: &str) -> Vec<u8> {
        let prefix = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("prefix="));
        let prefix = prefix.unwrap_or_default().replace("%2F", "/");
        let mut body = String::from("<ListBucketResult>");
        if self.lie != Lie::ListsNothing {
            for (key, bytes) in self
                .objects
                .lock()
                .iter()
                .filter(|(key, _)| key.starts_with(&prefix))
            {
                let size = bytes.len();
                let _ = write!(
                    body,
                    "<Contents><Key>{key}</Key><Size>{size}</Size>\
                     <LastModified>2026-11-23T04:00:00.000Z</LastModified></Contents>"
                );
            }
        }
        body.push_str("</ListBucketResult>");
        answer(200, "Content-Type: application/xml\r\n", body.as_bytes())
    }
}
