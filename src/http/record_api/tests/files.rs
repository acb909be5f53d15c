//! Attachments.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::bench::{Bench, Got, each};

async fn upload(bench: &Bench, who: &str, path: &str, headers: &[(&str, &str)], bytes: Vec<u8>) -> Got {
    bench.send(who, Method::POST, path, headers, bytes).await
}

#[actix_web::test]
async fn an_attachment_comes_back_as_it_went() {
    let bench = Bench::new();
    let number = bench.incident("ada", "Mail").await;
    let path = format!("incidents/{number}/attachments");
    let bytes: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
    let png = [("content-type", "image/png")];
    let named = format!("{path}?name=%C3%BC.png");
    let made = upload(&bench, "ada", &named, &png, bytes.clone()).await;
    assert_eq!((made.status, made.header("etag")), (201, "\"2\""), "{}", made.text());
    let about = made.json();
    assert_eq!(
        (&about["name"], &about["size"], &about["media_type"]),
        (&json!("ü.png"), &json!(700_000), &json!("image/png"))
    );
    let one = made.header("location").to_owned();
    assert_eq!(bench.get("agent", &one).await.must(200), about);
    let content = bench.send("agent", Method::GET, &format!("{one}/content"), &[("accept", "image/*")], vec![]).await;
    assert_eq!((content.status, content.body == bytes), (200, true));
    assert_eq!(content.header("content-type"), "image/png");
    assert_eq!(content.header("content-disposition"), "attachment; filename=\"_.png\"; filename*=UTF-8''%C3%BC.png");
    assert!(content.header("content-security-policy").contains("sandbox"));
    let tag = format!("\"{}\"", about["sha256"].as_str().unwrap());
    assert_eq!(content.header("etag"), tag);
    let again = bench.send("ada", Method::GET, &format!("{one}/content"), &[("if-none-match", &tag)], vec![]).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    for hidden in [format!("{one}/content"), one.clone(), format!("/api/v1/{path}")] {
        assert_eq!(bench.get("bob", &hidden).await.status, 404, "{hidden}");
    }
    assert_eq!(upload(&bench, "bob", &named, &png, vec![1]).await.status, 404);
    let listed = bench.get("ada", &path).await.must(200);
    assert_eq!(each(&listed, "sha256"), [&about["sha256"]]);
    assert_eq!(bench.send("ada", Method::DELETE, &one, &[], vec![]).await.status, 428);
    assert_eq!(bench.send("ada", Method::DELETE, &one, &[("if-match", "\"2\"")], vec![]).await.status, 204);
    assert_eq!(bench.get("ada", &one).await.status, 404);
    assert_eq!(chunks(&bench).await, 0);
}

#[actix_web::test]
async fn a_refused_upload_leaves_nothing() {
    let bench = Bench::new();
    let number = bench.incident("ada", "Mail").await;
    let path = format!("incidents/{number}/attachments");
    let named = format!("{path}?name=a.bin");
    let large = upload(&bench, "ada", &named, &[], vec![0; 1_000_001]).await;
    assert_eq!((large.status, &large.json()["code"]), (413, &json!("too_large")));
    assert_eq!(upload(&bench, "ada", &path, &[], vec![1]).await.status, 400);
    assert_eq!(upload(&bench, "ada", &named, &[("if-match", "\"9\"")], vec![1; 300_000]).await.status, 412);
    assert_eq!(upload(&bench, "ada", &format!("{named}&dry_run=true"), &[], vec![1]).await.status, 201);
    assert_eq!(bench.get("ada", &path).await.must(200)["items"], json!([]));
    assert_eq!(chunks(&bench).await, 0);
    let key = [("idempotency-key", "once")];
    let first = upload(&bench, "ada", &named, &key, vec![1; 300_000]).await;
    let second = upload(&bench, "ada", &named, &key, vec![1; 300_000]).await;
    assert_eq!((first.status, second.header("idempotency-replayed")), (201, "true"));
    assert_eq!(first.json(), second.json());
    assert_eq!(chunks(&bench).await, 2);
    assert_eq!(upload(&bench, "ada", &named, &[], vec![]).await.must(201)["size"], 0);
}

/// Waits for what a dropped upload leaves to the writer, and counts the chunks.
async fn chunks(bench: &Bench) -> i64 {
    use diesel::prelude::*;
    let counted = bench
        .service
        .writer
        .run(|unit| Ok(crate::schema::attachment_chunk::table.count().get_result::<i64>(unit.connection()?)?));
    counted.await.unwrap()
}

#[actix_web::test]
async fn files_of_a_directory_come_and_go() {
    let bench = Bench::in_directory();
    let directory = bench.directory();
    let number = bench.incident("ada", "Mail").await;
    let named = format!("incidents/{number}/attachments?name=a.bin");
    let files = || std::fs::read_dir(&directory).map_or(0, Iterator::count);
    let made = upload(&bench, "ada", &named, &[], vec![7; 600_000]).await;
    let one = made.header("location").to_owned();
    assert_eq!(bench.get("ada", &format!("{one}/content")).await.body, vec![7; 600_000]);
    assert_eq!(upload(&bench, "ada", &named, &[("if-match", "\"9\"")], vec![1]).await.status, 412);
    assert_eq!(files(), 1);
    let empty: Value = upload(&bench, "ada", &named, &[], vec![]).await.must(201);
    assert_eq!((files(), &empty["size"]), (2, &json!(0)));
    assert_eq!(bench.send("ada", Method::DELETE, &one, &[("if-match", "*")], vec![]).await.status, 204);
    assert_eq!(files(), 1);
}
