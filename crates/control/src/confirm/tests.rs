//! What is obeyed, and what its sender had given up.

use std::net::SocketAddr;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::post;
use bytes::Bytes;
use http_body_util::channel::Channel;
use hyper::StatusCode;
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;
use crate::exchange::{ExchangeError, Question, exchange};

/// Somebody who can be told something; what is obeyed is told.
async fn obedient() -> (SocketAddr, mpsc::Receiver<Bytes>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (obeyed, told) = mpsc::channel(8);
    let obey = post(async move |body: Bytes| obeyed.try_send(body).unwrap());
    let routes = Router::new().route("/", obey).layer(from_fn(confirmed));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (address, told)
}

fn command(body: &'static str) -> Question {
    Question { method: Method::POST, path: "/".to_owned(), body: body.into() }
}

#[tokio::test]
async fn what_is_confirmed_is_obeyed_and_what_its_sender_gave_up_is_not() {
    let (address, mut obeyed) = obedient().await;
    for cut in ["", "{"] {
        let mut gone = TcpStream::connect(address).await.unwrap();
        let head =
            "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
        gone.write_all(format!("{head}{cut}").as_bytes()).await.unwrap();
        gone.shutdown().await.unwrap();
        let mut answer = String::new();
        gone.read_to_string(&mut answer).await.unwrap();
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    let done = exchange(&address.to_string(), None, command("{}"), 100).await.unwrap();
    assert_eq!(done.0, StatusCode::OK);
    assert_eq!(obeyed.recv().await.unwrap(), "{}");
    assert!(obeyed.try_recv().is_err(), "it was told nothing else");

    // Whoever does not want to be asked is obeyed.
    let mut plain = TcpStream::connect(address).await.unwrap();
    let request = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]";
    plain.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(obeyed.recv().await.unwrap(), "[]");
}

#[tokio::test]
async fn who_refuses_before_it_asks_is_heard() {
    let (address, _obeyed) = obedient().await;
    let wrong = Question { path: "/nowhere".to_owned(), ..command("{}") };
    let done = exchange(&address.to_string(), None, wrong, 100).await.unwrap();
    assert_eq!(done.0, StatusCode::NOT_FOUND);
    let question = Question { method: Method::GET, body: Bytes::new(), ..command("") };
    let done = exchange(&address.to_string(), None, question, 100).await.unwrap();
    assert_eq!(done.0, StatusCode::METHOD_NOT_ALLOWED, "a question is not asked for");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_ask_for_a_command_does_not_get_it() {
    // As a frozen process does, it takes the connection and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let error = exchange(&address, None, command("{\"secret\":1}"), 100).await.unwrap_err();
    assert!(matches!(error, ExchangeError::NotSent(_)), "{error:?}");
    assert!(error.to_string().contains("will not obey it"), "{error}");
    let mut received = String::new();
    let (mut stream, _) = silent.accept().unwrap();
    std::io::Read::read_to_string(&mut stream, &mut received).unwrap();
    assert!(received.starts_with("POST / ") && !received.contains("secret"), "{received}");
}

#[tokio::test(start_paused = true)]
async fn what_is_confirmed_late_is_not_obeyed() {
    for (after, is_obeyed) in [(LATE / 2, true), (LATE * 2, false)] {
        let (mut body, rest) = Channel::<Bytes>::new(1);
        let request = axum::http::Request::post("/").header(EXPECT, "100-continue");
        let request = request.body(Body::new(rest)).unwrap();
        let confirm = tokio::spawn(confirm(request));
        tokio::task::yield_now().await;
        tokio::time::advance(after).await;
        body.try_send(Frame::data(Bytes::from("{}"))).unwrap();
        drop(body);
        assert_eq!(confirm.await.unwrap().is_ok(), is_obeyed, "{after:?}");
    }
}
