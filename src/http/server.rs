//! Start and stop of the server.
//!
//! **Invariant:** once told to stop, it refuses new connections, answers what comes on those that it has, ends its streams, and
//! is gone within `server.shutdown_timeout_seconds` and the [`LAST_CALL`].

use std::{
    io,
    net::{Shutdown as Way, SocketAddr, TcpListener},
    num::NonZeroUsize,
    time::Duration,
};

use actix_web::{HttpServer, dev::ServerHandle, rt};
use metrics_exporter_prometheus::PrometheusHandle;
use socket2::{Domain, SockRef, Socket, Type};

use super::{
    app::{Parts, app},
    shutdown::Shutdown,
};
use crate::error::{Code, Error, Result};

/// How long the head of a request may take.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// How long a connection may be idle. Shorter than a stop may take, since an idle connection holds it.
const IDLE: Duration = Duration::from_secs(5);
/// Connections that wait to be taken.
const BACKLOG: i32 = 2048;
/// How long connections are still heard once the server is told to stop. A worker that is told drops those that it has not begun
/// to serve, and requests that it has not begun to read, so they get the time to be begun.
const LAST_CALL: Duration = Duration::from_millis(500);
/// How often figures that nobody has read are summed up, so that they don't grow.
const UPKEEP: Duration = Duration::from_secs(5);

/// Serves until a signal or `parts.shutdown` ends it. `listening` hears the addresses as soon as they are taken.
///
/// # Errors
/// When the address can't be taken or the server fails.
pub async fn serve(parts: Parts, listening: impl FnOnce(&[SocketAddr])) -> Result<()> {
    let (server, shutdown, figures) = (parts.server.clone(), parts.shutdown.clone(), parts.figures.clone());
    let workers = server.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get));
    let refused = |e| Error::new(Code::Internal, format!("can't listen on {}: {e}", server.listen));
    let (listener, door) =
        listen(server.listen).and_then(|listener| Ok((listener.try_clone()?, listener))).map_err(refused)?;
    let bound = HttpServer::new(move || app(&parts))
        .workers(workers)
        .keep_alive(IDLE)
        .client_request_timeout(HEAD_DEADLINE)
        .client_disconnect_timeout(Duration::from_secs(1))
        .tcp_nodelay(true)
        .shutdown_timeout(server.shutdown_timeout_seconds)
        .disable_signals()
        .listen(listener)
        .map_err(refused)?;
    let addresses = bound.addrs();
    let running = bound.run();
    listening(&addresses);
    let stop = rt::spawn(stop_when_told(running.handle(), shutdown, door));
    let upkeep = rt::spawn(keep_up(figures));
    let ended = running.await.map_err(Error::internal);
    stop.abort();
    upkeep.abort();
    ended
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // A server that starts anew need not wait for the connections of the one before.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

async fn stop_when_told(server: ServerHandle, shutdown: Shutdown, door: TcpListener) {
    tokio::select! {
        () = signalled() => {}
        () = shutdown.begun() => {}
    }
    tracing::info!("stopping");
    shutdown.begin();
    server.pause().await;
    // Who comes from now on is refused, and need not wait for a server that takes nobody. Where the system knows no such thing,
    // they are refused a little later.
    drop(SockRef::from(&door).shutdown(Way::Both));
    rt::time::sleep(LAST_CALL).await;
    server.stop(true).await;
}

#[cfg(unix)]
async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        (Err(e), _) | (_, Err(e)) => {
            tracing::error!(cause = %e, "signals can't be heard");
            std::future::pending().await
        }
    }
}

#[cfg(not(unix))]
async fn signalled() {
    if let Err(e) = tokio::signal::ctrl_c().await {
        tracing::error!(cause = %e, "signals can't be heard");
        std::future::pending().await
    }
}

async fn keep_up(figures: PrometheusHandle) {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        ticks.tick().await;
        figures.run_upkeep();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpStream,
        sync::mpsc,
        thread,
        time::Instant,
    };

    use actix_web::{HttpRequest, HttpResponse, http::Method, web::Bytes};
    use futures_util::{StreamExt, stream};

    use super::*;
    use crate::{
        config,
        http::{
            endpoint::Access,
            support::{api, endpoint, parts},
        },
    };

    struct Running {
        address: SocketAddr,
        shutdown: Shutdown,
        ended: mpsc::Receiver<Result<()>>,
    }

    impl Running {
        fn start() -> Self {
            let mut api = api();
            api.mount(endpoint(Method::GET, "/slow", "get_slow", Access::Public), async || {
                rt::time::sleep(Duration::from_millis(500)).await;
                "finished"
            });
            api.mount(endpoint(Method::GET, "/stream", "get_stream", Access::Public), async |request: HttpRequest| {
                let shutdown = request.app_data::<Shutdown>().cloned().unwrap();
                let hello = stream::iter([Ok::<_, actix_web::Error>(Bytes::from_static(b"data: hello\n\n"))]);
                let rest = stream::pending().take_until(async move { shutdown.begun().await });
                HttpResponse::Ok().content_type("text/event-stream").streaming(hello.chain(rest))
            });
            let server = config::Server {
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                workers: Some(2),
                body_deadline_seconds: 1,
                ..config::Server::default()
            };
            let parts = parts(server, api.build().unwrap());
            let shutdown = parts.shutdown.clone();
            let (tell, hear) = mpsc::channel();
            let (end, ended) = mpsc::channel();
            thread::spawn(move || {
                let served =
                    actix_web::rt::System::new().block_on(serve(parts, |addresses| tell.send(addresses[0]).unwrap()));
                end.send(served)
            });
            Running { address: hear.recv().unwrap(), shutdown, ended }
        }

        fn send(&self, text: &str) -> TcpStream {
            let mut stream = TcpStream::connect(self.address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
            stream
        }

        fn stop(&self) -> Duration {
            let start = Instant::now();
            self.shutdown.begin();
            self.ended.recv_timeout(Duration::from_secs(10)).unwrap().unwrap();
            start.elapsed()
        }
    }

    fn rest(mut stream: TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_stop_lets_requests_finish_and_ends_streams() {
        let server = Running::start();
        let slow = server.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
        let mut streaming = server.send("GET /stream HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n");
        let mut seen = String::new();
        while !seen.contains("data: hello") {
            let mut some = [0; 512];
            let read = streaming.read(&mut some).unwrap();
            assert_ne!(read, 0, "{seen}");
            seen.push_str(&String::from_utf8_lossy(&some[..read]));
        }
        thread::sleep(Duration::from_millis(100));
        let took = server.stop();
        assert!(took < Duration::from_secs(7), "{took:?}");
        let slow = rest(slow);
        assert!(slow.starts_with("HTTP/1.1 200") && slow.ends_with("finished"), "{slow}");
        assert!(slow.to_lowercase().contains("connection: close"), "{slow}");
        assert!(rest(streaming).ends_with("0\r\n\r\n"));
        assert!(TcpStream::connect(server.address).is_err());
    }

    #[test]
    fn an_idle_connection_does_not_hold_a_stop() {
        let server = Running::start();
        let mut idle = server.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_ne!(idle.read(&mut [0; 64]).unwrap(), 0);
        let took = server.stop();
        assert!(took < Duration::from_secs(9), "{took:?}");
    }

    #[test]
    fn a_body_that_does_not_come_ends_the_connection() {
        let server = Running::start();
        let head = "POST /api/v1/things HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer agent\r\nContent-Type: application/json\r\n";
        let start = Instant::now();
        let slow = rest(server.send(&format!("{head}Content-Length: 10\r\n\r\n{{")));
        assert!(slow.starts_with("HTTP/1.1 408") && slow.contains("request_timeout"), "{slow}");
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
        let large = rest(server.send(&format!("{head}Content-Length: 99999999\r\n\r\n{{")));
        assert!(large.starts_with("HTTP/1.1 413") && large.to_lowercase().contains("connection: close"), "{large}");
        let whole = server.send(&format!("{head}Content-Length: 2\r\nConnection: close\r\n\r\n{{}}"));
        assert!(rest(whole).starts_with("HTTP/1.1 201"));
        let head = rest(server.send("HEAD /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
        server.stop();
    }
}
