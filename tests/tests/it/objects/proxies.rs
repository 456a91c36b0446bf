//! Goal: the proxy of these tests does what it says, for protocols that are not HTTP too. Method: a server that echoes.

use std::io;
use std::time::Duration;

use sop_tests::servers::proxy::{Fault, Proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await
            });
        }
    });
    port
}

/// What comes back for a request on a connection of its own.
async fn ask(proxy: &Proxy, text: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.port())).await?;
    stream.write_all(text.as_bytes()).await?;
    let mut buffer = [0; 100];
    let mut answer = String::new();
    while answer.len() < text.len() {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            break;
        }
        answer.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    Ok(answer)
}

#[tokio::test]
async fn requests_of_any_protocol_meet_faults() {
    let proxy = Proxy::raw(echo().await).await;
    assert_eq!(ask(&proxy, "PING one").await.unwrap(), "PING one");
    proxy.next(Fault::LoseAnswer, "two", 1);
    proxy.next(Fault::CutAnswer(3), "three", 1);
    proxy.next(Fault::Refuse, "four", 1);
    assert_eq!(
        ask(&proxy, "PING one").await.unwrap(),
        "PING one",
        "it is not meant"
    );
    assert_eq!(ask(&proxy, "PING two").await.unwrap_or_default(), "");
    assert_eq!(
        ask(&proxy, "PING two").await.unwrap(),
        "PING two",
        "only once"
    );
    assert_eq!(ask(&proxy, "PING three").await.unwrap_or_default(), "PIN");
    assert_eq!(ask(&proxy, "PING four").await.unwrap_or_default(), "");
    proxy.set(Fault::CutRequest(2));
    assert!(ask(&proxy, "PING").await.unwrap_or_default().len() <= 2);
    proxy.set(Fault::Drip(1, Duration::from_millis(2)));
    assert_eq!(ask(&proxy, "PING").await.unwrap(), "PING");
    proxy.set(Fault::Hold);
    let held = ask(&proxy, "PING");
    let go = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        proxy.set(Fault::None);
    };
    let (held, ()) = futures::join!(held, go);
    assert_eq!(held.unwrap(), "PING");
    assert_eq!((proxy.seen("PING"), proxy.seen("two")), (9, 2));
}
