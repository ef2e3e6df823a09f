//! What is not understood is refused, and nothing takes the process down.

use super::*;

const TENANTS: &str = "/api/v1/tenants";

#[tokio::test]
async fn bodies_are_strict() {
    let world = World::new().await;
    for (body, field) in [
        (&br#"{"slug":"a","slug":"b","name":"x"}"#[..], Some("slug")),
        (br#"{"slug":"a","name":"x","tags":{"t":"1","t":"2"}}"#, Some("tags")),
        (b"{\"slug\":\"a\",\"name\":\"\xff\"}", None),
        (br#"{"slug":"a","name":"x"}{}"#, None),
        (br#"[1]"#, None),
        (br#""#, Some("slug")),
        (b"\x00", None),
    ] {
        let reply = world.send("POST", TENANTS, &world.operator, body.to_vec()).await;
        assert_eq!(reply.status, 400, "{reply:?}");
        if field.is_some() {
            assert_eq!(reply.body["param"].as_str(), field, "{reply:?}");
        }
    }
    let deep = format!(r#"{{"slug":"a","name":"x","tags":{}"#, "[".repeat(100_000));
    assert_eq!(world.send("POST", TENANTS, &world.operator, deep).await.status, 400);
}

#[tokio::test]
async fn large_bodies_are_refused_by_their_length_and_by_their_bytes() {
    let world = World::new().await;
    let large = vec![b' '; 1024 * 1024 + 1];
    let reply = world.send("POST", TENANTS, &world.operator, large.clone()).await;
    assert_eq!((reply.status.as_u16(), reply.text("code")), (413, "too_large"));
    // The same without a length that could be believed.
    let unmeasured = http_body_util::StreamBody::new(Once(Some(large.into())));
    let reply = world.send("POST", TENANTS, &world.operator, Body::new(unmeasured)).await;
    assert_eq!(reply.status, 413);
    // A stranger's body is not even looked at.
    assert_eq!(world.send("POST", TENANTS, "", vec![b'x'; 2 * 1024 * 1024]).await.status, 401);
}

/// A stream of one frame.
struct Once(Option<bytes::Bytes>);

impl futures_core::Stream for Once {
    type Item = Result<http_body::Frame<bytes::Bytes>, std::convert::Infallible>;

    fn poll_next(mut self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.take().map(|bytes| Ok(http_body::Frame::data(bytes))))
    }
}

#[tokio::test]
async fn a_panic_is_answered_and_survived() {
    let world = World::new().await;
    async fn boom() -> StatusCode {
        panic!("as asked")
    }
    let routes = Router::new().route("/v1/boom", axum::routing::get(boom)).merge(
        Router::new()
            .route("/api/v1/boom", axum::routing::get(boom))
            .layer(axum::middleware::from_fn(crate::finish::to_the_end)),
    );
    let layer = axum::middleware::from_fn_with_state(world.app.clone(), crate::finish::finish);
    let world = World { router: routes.layer(layer).with_state(world.app.clone()), ..world };
    let reply = world.get("/v1/boom", "").await;
    assert_eq!((reply.status.as_u16(), &reply.body["error"]["code"]), (500, &json!("internal_error")));
    let reply = world.get("/api/v1/boom", "").await;
    assert_eq!((reply.status.as_u16(), reply.text("code")), (500, "internal_error"));
    assert!(!reply.body.to_string().contains("as asked"));
}
