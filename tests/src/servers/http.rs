//! Just enough of HTTP/1.1: heads as text, bodies by their length or in chunks.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt};

/// Longest head and longest line of a chunk.
const LINE_BYTES_MAX: usize = 64 << 10;

/// One request or one answer.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// First line and headers, to the empty line, as they came.
    pub head: String,
    /// The body as it came, chunk sizes included.
    pub raw: Vec<u8>,
    /// The body.
    pub body: Vec<u8>,
}

impl Message {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// Word `index` of the first line.
    pub fn word(&self, index: usize) -> &str {
        let line = self.head.lines().next().unwrap_or_default();
        line.split(' ').nth(index).unwrap_or_default()
    }
}

/// The next message of a connection; `None` = it ended before one began.
pub async fn read_message<S: tokio::io::AsyncBufRead + Unpin>(
    stream: &mut S,
    has_body: bool,
) -> io::Result<Option<Message>> {
    let mut message = Message::default();
    loop {
        let begin = message.head.len();
        let read = stream.read_line(&mut message.head).await?;
        if read == 0 && begin == 0 {
            return Ok(None);
        }
        if read == 0 || message.head.len() > LINE_BYTES_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if message.head.get(begin..) == Some("\r\n") {
            break;
        }
    }
    let chunked = message.header("transfer-encoding") == Some("chunked");
    let length = message.header("content-length").map(str::parse::<usize>);
    if !has_body {
        return Ok(Some(message));
    }
    if chunked {
        read_chunks(stream, &mut message).await?;
    } else if let Some(length) = length {
        let length = length.map_err(|_| io::ErrorKind::InvalidData)?;
        message.body = vec![0; length];
        stream.read_exact(&mut message.body).await?;
        message.raw.clone_from(&message.body);
    }
    Ok(Some(message))
}

async fn read_chunks<S: tokio::io::AsyncBufRead + Unpin>(
    stream: &mut S,
    message: &mut Message,
) -> io::Result<()> {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        message.raw.extend_from_slice(line.as_bytes());
        let size = line.trim().split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
        let mut chunk = vec![0; size + 2];
        stream.read_exact(&mut chunk).await?;
        message.raw.extend_from_slice(&chunk);
        if size == 0 {
            return Ok(());
        }
        chunk.truncate(size);
        message.body.extend_from_slice(&chunk);
    }
}

/// The bytes of an answer.
pub fn answer(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let reason = match status {
        200 => "OK",
        204 => "No Content",
        206 => "Partial Content",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        412 => "Precondition Failed",
        429 => "Too Many Requests",
        507 => "Insufficient Storage",
        _ => "Fault",
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status} {reason}\r\n{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}
