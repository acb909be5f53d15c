//! The bytes of attachments: on their way in and on their way out, a chunk at a time.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    path::PathBuf,
};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    web::{self, Bytes, BytesMut},
};
use futures_util::{Stream, stream};
use sha2::{Digest, Sha256};

use crate::{
    config::Attachments,
    db::{Database, writer::Writer},
    error::{Error, Result},
    http::{desk::Call, upload::Upload},
    id::RowId,
    record::{
        attachment::{self, Attachment, CHUNK, Place},
        pending::Pending,
    },
};

/// What the operator set about attachments: `web::Data<config::Attachments>` of the application, or the defaults.
pub(in crate::http) struct Limits(pub web::Data<Attachments>);

impl FromRequest for Limits {
    type Error = Error;
    type Future = std::future::Ready<Result<Self>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let set = request.app_data::<web::Data<Attachments>>().cloned();
        std::future::ready(Ok(Limits(set.unwrap_or_else(|| web::Data::new(Attachments::default())))))
    }
}

/// An upload in progress. Unless it is kept, its bytes are taken away again, also when its caller hangs up.
pub(in crate::http) struct Receiving {
    id: RowId,
    place: Place,
    rehearsal: bool,
    kept: bool,
    writer: Writer<Pending>,
}

/// An upload whose bytes are all stored.
pub(in crate::http) struct Received {
    receiving: Receiving,
    /// Bytes.
    pub size: i64,
    /// Their SHA-256, in hexadecimal.
    pub sha256: String,
}

impl Receiving {
    pub fn begin(call: &Call, config: &Attachments) -> Self {
        Receiving {
            id: RowId::new(),
            place: Place::configured(config),
            rehearsal: call.dry_run,
            kept: false,
            writer: call.service.writer.clone(),
        }
    }

    /// Takes in the whole body. A rehearsal reads it and stores nothing.
    pub async fn take_in(self, mut upload: Upload, most: u64) -> Result<Received> {
        let (mut digest, mut size, mut rest) = (Sha256::new(), 0, BytesMut::new());
        let mut position = 0;
        while let Some(chunk) = upload.chunk(&mut rest, CHUNK, most).await? {
            digest.update(&chunk);
            size += chunk.len() as i64;
            if !self.rehearsal {
                self.put(position, chunk.freeze()).await?;
            }
            position += 1;
        }
        if !self.rehearsal {
            self.settle(position == 0).await?;
        }
        Ok(Received { receiving: self, size, sha256: hex::encode(digest.finalize()) })
    }

    /// Takes in bytes that are whole already. A rehearsal stores nothing.
    pub async fn take_whole(self, bytes: Bytes) -> Result<Received> {
        let (size, sha256) = (bytes.len() as i64, hex::encode(Sha256::digest(&bytes)));
        if !self.rehearsal {
            for (position, chunk) in (0..).zip(bytes.chunks(CHUNK)) {
                self.put(position, bytes.slice_ref(chunk)).await?;
            }
            self.settle(bytes.is_empty()).await?;
        }
        Ok(Received { receiving: self, size, sha256 })
    }

    async fn put(&self, position: i32, chunk: Bytes) -> Result<()> {
        let id = self.id;
        match &self.place {
            Place::Database => {
                self.writer.run(move |unit| attachment::put_chunk(unit.connection()?, id, position, &chunk)).await
            }
            Place::Directory(directory) => {
                let directory = directory.clone();
                blocking(move || {
                    std::fs::create_dir_all(&directory)?;
                    let mut options = File::options();
                    let options =
                        if position == 0 { options.write(true).create_new(true) } else { options.append(true) };
                    options.open(attachment::file(&directory, id))?.write_all(&chunk)
                })
                .await
            }
        }
    }

    /// Makes a file durable before any row names it. What is in the database is durable already.
    async fn settle(&self, is_empty: bool) -> Result<()> {
        let Place::Directory(directory) = self.place.clone() else { return Ok(()) };
        if is_empty {
            self.put(0, Bytes::new()).await?;
        }
        let file = attachment::file(&directory, self.id);
        blocking(move || {
            File::open(file)?.sync_all()?;
            File::open(directory)?.sync_all()
        })
        .await
    }
}

impl Received {
    pub fn id(&self) -> RowId {
        self.receiving.id
    }
    pub fn place(&self) -> &Place {
        &self.receiving.place
    }
    /// Whether the bytes stay, because a row names them.
    pub fn keep(&mut self, kept: bool) {
        self.receiving.kept = kept;
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if self.kept || self.rehearsal {
            return;
        }
        let id = self.id;
        let dropped = match &self.place {
            Place::Database => {
                self.writer.submit(move |unit| attachment::drop_chunks(unit.connection()?, id)).map(drop)
            }
            Place::Directory(directory) => match std::fs::remove_file(attachment::file(directory, id)) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::internal(e)),
                _ => Ok(()),
            },
        };
        if let Err(e) = dropped {
            tracing::warn!(cause = ?e.source, "the bytes of a broken upload are left to the sweep");
        }
    }
}

/// Takes the file of a deleted attachment away; what can't be is left to the sweep.
pub(in crate::http) async fn remove_file(config: &Attachments, id: RowId) {
    let file = attachment::file(&config.directory, id);
    let removed = blocking(move || match std::fs::remove_file(file) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    });
    if let Err(e) = removed.await {
        tracing::warn!(cause = ?e.source, "the file of a deleted attachment is left to the sweep");
    }
}

/// The bytes of an attachment, a chunk at a time.
pub(in crate::http) fn contents(
    database: Database,
    place: Place,
    attachment: Attachment,
) -> impl Stream<Item = Result<Bytes>> + use<> {
    let chunks = attachment.size.unsigned_abs().div_ceil(CHUNK as u64);
    stream::unfold((database, place, 0_u64), move |(database, place, position)| {
        let id = attachment.id;
        async move {
            if position >= chunks {
                return None;
            }
            let chunk = match &place {
                Place::Database => in_database(&database, id, position).await,
                Place::Directory(directory) => in_file(attachment::file(directory, id), position).await,
            };
            // An error ends the stream, and with it the connection: the caller sees that it is not whole.
            let next = if chunk.is_ok() { position + 1 } else { u64::MAX };
            Some((chunk, (database, place, next)))
        }
    })
}

async fn in_database(database: &Database, id: RowId, position: u64) -> Result<Bytes> {
    let position = i32::try_from(position).map_err(Error::internal)?;
    let chunk = database.read(move |connection| attachment::chunk(connection, id, position)).await?;
    chunk.map(Bytes::from).ok_or_else(|| Error::internal(format!("attachment {id} lacks chunk {position}")))
}

async fn in_file(file: PathBuf, position: u64) -> Result<Bytes> {
    blocking(move || {
        let mut file = File::open(file)?;
        file.seek(SeekFrom::Start(position * CHUNK as u64))?;
        let mut chunk = Vec::with_capacity(CHUNK);
        file.take(CHUNK as u64).read_to_end(&mut chunk)?;
        if chunk.is_empty() { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(Bytes::from(chunk)) }
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?.map_err(|e| {
        let full = e.kind() == std::io::ErrorKind::StorageFull;
        let error = Error::internal(e);
        if full { Error { code: crate::error::Code::InsufficientStorage, ..error } } else { error }
    })
}
