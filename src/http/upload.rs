//! Bodies of any type, taken in piece by piece.
//!
//! **Invariant:** no more of a body is held than one chunk.

use std::time::Duration;

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header, web::BytesMut};
use futures_util::StreamExt;

use super::body::BodyLimits;
use crate::{
    config,
    error::{Code, Error, Result},
};

/// The longest that a body may take, however steadily it comes.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// A body on its way in.
pub struct Upload {
    payload: Payload,
    /// How long the next piece may take.
    patience: Duration,
    announced: Option<u64>,
    started: tokio::time::Instant,
    read: u64,
}

impl FromRequest for Upload {
    type Error = Error;
    type Future = std::future::Ready<Result<Self>>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limits = request.app_data().copied().unwrap_or_else(|| BodyLimits::from(&config::Server::default()));
        let encoding = request.headers().get(header::CONTENT_ENCODING).map(header::HeaderValue::as_bytes);
        if encoding.is_some_and(|e| !e.eq_ignore_ascii_case(b"identity")) {
            let refused = Error::new(Code::UnsupportedMediaType, "The body must not be compressed.");
            return std::future::ready(Err(refused));
        }
        let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        std::future::ready(Ok(Upload {
            payload: payload.take(),
            patience: limits.deadline,
            announced,
            started: tokio::time::Instant::now(),
            read: 0,
        }))
    }
}

impl Upload {
    /// Refuses a body that says that it is larger than `most`, before any of it is read.
    ///
    /// # Errors
    /// [`Code::TooLarge`].
    pub fn check_announced(&self, most: u64) -> Result<()> {
        if self.announced.is_some_and(|length| length > most) { Err(too_large(most)) } else { Ok(()) }
    }

    /// The next `size` bytes, fewer at the end, nothing after it.
    ///
    /// # Errors
    /// [`Code::TooLarge`] when the body has more than `most` bytes, [`Code::RequestTimeout`] when it stops coming,
    /// [`Code::Malformed`] when it breaks off.
    pub async fn chunk(&mut self, left_over: &mut BytesMut, size: usize, most: u64) -> Result<Option<BytesMut>> {
        while left_over.len() < size {
            let Some(piece) = self.piece().await? else {
                return Ok((!left_over.is_empty()).then(|| left_over.split()));
            };
            self.read += piece.len() as u64;
            if self.read > most {
                return Err(too_large(most));
            }
            left_over.extend_from_slice(&piece);
        }
        Ok(Some(left_over.split_to(size)))
    }

    async fn piece(&mut self) -> Result<Option<actix_web::web::Bytes>> {
        let too_slow = || {
            let seconds = self.patience.as_secs_f32();
            Error::new(Code::RequestTimeout, format!("Nothing more of the body came within {seconds} seconds."))
        };
        if self.started.elapsed() > LONGEST {
            return Err(too_slow());
        }
        match tokio::time::timeout(self.patience, self.payload.next()).await {
            Ok(Some(Ok(piece))) => Ok(Some(piece)),
            Ok(Some(Err(e))) => Err(Error::new(Code::Malformed, format!("The body can't be read: {e}."))),
            Ok(None) => Ok(None),
            Err(_) => Err(too_slow()),
        }
    }
}

fn too_large(most: u64) -> Error {
    Error::new(Code::TooLarge, format!("The body may have {most} bytes at most."))
}

#[cfg(test)]
mod tests {
    use actix_web::{error::PayloadError, test::TestRequest, web::Bytes};
    use futures_util::{Stream, stream};

    use super::*;

    fn upload(pieces: impl Stream<Item = Result<Bytes, PayloadError>> + 'static) -> Upload {
        let request = TestRequest::default()
            .app_data(BodyLimits { bytes: 1, deadline: Duration::from_millis(50) })
            .to_http_request();
        let pieces: std::pin::Pin<Box<dyn Stream<Item = _>>> = Box::pin(pieces);
        Upload::from_request(&request, &mut Payload::from(pieces)).into_inner().unwrap()
    }

    #[actix_web::test]
    async fn pieces_become_chunks() {
        let pieces = ["abc", "defg", "h"].map(|p| Ok(Bytes::from_static(p.as_bytes())));
        let (mut upload, mut rest) = (upload(stream::iter(pieces)), BytesMut::new());
        let mut chunks = Vec::new();
        while let Some(chunk) = upload.chunk(&mut rest, 3, 8).await.unwrap() {
            chunks.push(String::from_utf8(chunk.to_vec()).unwrap());
        }
        assert_eq!(chunks, ["abc", "def", "gh"]);
    }

    #[actix_web::test]
    async fn a_body_that_is_too_large_or_stops_or_breaks_off_is_refused() {
        let large = stream::iter([Ok(Bytes::from_static(b"abcd"))]);
        let slow = stream::pending();
        let broken = stream::iter([Err(PayloadError::Incomplete(None))]);
        let cases: [(std::pin::Pin<Box<dyn Stream<Item = _>>>, Code); 3] = [
            (Box::pin(large), Code::TooLarge),
            (Box::pin(slow), Code::RequestTimeout),
            (Box::pin(broken), Code::Malformed),
        ];
        for (pieces, code) in cases {
            let refused = upload(pieces).chunk(&mut BytesMut::new(), 3, 3).await.unwrap_err();
            assert_eq!(refused.code, code);
        }
    }
}
