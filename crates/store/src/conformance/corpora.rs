//! Reference corpora: who may read them, what a reader can do, and what is left of one.

use std::time::Duration;

use insula_model::{
    Clock, CorpusGrant, DocumentId, DocumentStatus, ErrorKind, FilePurpose, ReferenceCorpus, ScopeSource, TenantId, TenantScope,
};

use super::world::{Engine, World};
use crate::{CorpusGrantRow, DocumentRow, DocumentsMax, FileRow, ProfileRow, Written};

const MOST: u64 = 3;

fn corpus(world: &World, name: &str) -> ReferenceCorpus {
    ReferenceCorpus {
        id: world.ids().corpus(),
        name: name.to_owned().try_into().unwrap(),
        title: format!("The corpus {name}").try_into().unwrap(),
        jurisdiction: "eu".to_owned().try_into().unwrap(),
        erasing: false,
        created_at: world.clock.now(),
    }
}

/// A new corpus, and what opens its home to its operator.
async fn made(world: &World, name: &str) -> (ReferenceCorpus, TenantScope) {
    // Ids of one millisecond are in no order.
    world.clock.advance(Duration::from_millis(1));
    let corpus = corpus(world, name);
    world.store.create_corpus(&corpus, MOST).await.unwrap();
    let scope = TenantScope::mint(corpus.id.home(), ScopeSource::Operator);
    (corpus, scope)
}

/// Hands in a document; its id.
async fn hand_in(world: &World, scope: &TenantScope) -> DocumentId {
    let (store, seals) = (world.store.tenant(scope).await.unwrap(), world.store.seals(scope).await.unwrap());
    let now = world.clock.now();
    let file = FileRow {
        id: world.ids().file(),
        purpose: FilePurpose::Document,
        bytes: 0,
        chunks: 0,
        created_at: now,
        sealed_name: vec![1],
    };
    assert!(store.begin_file(&file, u64::MAX).await.unwrap());
    let mut writer = store.write_file(file.id).await.unwrap();
    writer.append(b"raw".to_vec()).await.unwrap();
    writer.finish().await.unwrap();
    let id = world.ids().document();
    let row = DocumentRow {
        id,
        status: DocumentStatus::Queued,
        raw_file: file.id,
        bytes: 3,
        chunks_total: 0,
        chunks_done: 0,
        waiting: None,
        published: None,
        embedder: None,
        dimension: None,
        created_at: now,
        changed_at: now,
        sealed_detail: seals.seal("documents", "detail", id.as_bytes(), b"law", world.random()),
        vector_store: None,
        file: None,
        file_batch: None,
    };
    let most = DocumentsMax { count: 10, bytes: 100, chunks: 100 };
    assert!(store.insert_document(&row, Written { file: file.id, bytes: 3, chunks: 1 }, most).await.unwrap().is_none());
    id
}

fn grant(world: &World, tenant: TenantId, corpus: &ReferenceCorpus) -> CorpusGrantRow {
    CorpusGrantRow { tenant, corpus: corpus.id, granted_at: world.clock.now() }
}

#[tokio::test]
async fn corpora_are_made_listed_and_named_apart() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let control = world.store.control();
        let (one, _) = made(&world, "eu_gdpr").await;
        let (two, _) = made(&world, "federal").await;
        assert_eq!(control.corpora().await.unwrap(), [one.clone(), two.clone()], "{engine:?}");
        assert_eq!(control.tenants().await.unwrap().len(), 2, "a corpus is no tenant");
        assert_eq!(control.tenant(one.id.home()).await.unwrap(), None);

        let taken = world.store.create_corpus(&corpus(&world, "federal"), MOST).await.unwrap_err();
        assert_eq!((taken.kind(), taken.param()), (&ErrorKind::Conflict, Some("name")));
        made(&world, "third").await;
        let many = world.store.create_corpus(&corpus(&world, "fourth"), MOST).await.unwrap_err();
        assert_eq!(many.kind(), &ErrorKind::Conflict);
        let title = "Another".to_owned().try_into().unwrap();
        let changed = control.retitle_corpus(one.id, &title).await.unwrap();
        assert_eq!(changed, ReferenceCorpus { title: title.clone(), ..one });
        let nobody = world.ids().corpus();
        assert_eq!(control.retitle_corpus(nobody, &title).await.unwrap_err().kind(), &ErrorKind::NotFound);

        let world = world.reopen().await;
        assert_eq!(world.store.control().corpora().await.unwrap().first(), Some(&changed));
    }
}

#[tokio::test]
async fn a_corpus_half_made_is_finished_at_the_next_start() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let unfinished = corpus(&world, "half");
        world.store.control().begin_corpus(&unfinished, MOST).await.unwrap();
        assert!(world.store.control().corpora().await.unwrap().is_empty(), "not ready, not shown");
        world.clock.advance(super::differences::INTERRUPTED_AGE_MIN);
        let world = world.reopen().await;
        assert_eq!(world.store.control().corpora().await.unwrap(), std::slice::from_ref(&unfinished), "{engine:?}");
        let scope = TenantScope::mint(unfinished.id.home(), ScopeSource::Operator);
        assert!(world.store.tenant(&scope).await.unwrap().documents(None, 1).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn grants_are_their_tenants() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let control = world.store.control();
        let (one, _) = made(&world, "one").await;
        let (two, _) = made(&world, "two").await;
        let (owner, stranger) = (world.owner.tenant(), world.stranger.tenant());
        let first = control.grant_corpus(grant(&world, owner, &one), 1).await.unwrap();
        world.clock.advance(Duration::from_secs(1));
        assert_eq!(control.grant_corpus(grant(&world, owner, &one), 1).await.unwrap(), first, "{engine:?}: the first stays");
        let many = control.grant_corpus(grant(&world, owner, &two), 1).await.unwrap_err();
        assert_eq!(many.kind(), &ErrorKind::Conflict);
        control.grant_corpus(grant(&world, stranger, &two), 1).await.unwrap();
        assert_eq!(control.corpus_grants_of(owner).await.unwrap(), [first]);
        assert_eq!(control.corpus_grants().await.unwrap().len(), 2);

        for absent in [
            control.grant_corpus(CorpusGrantRow { corpus: world.ids().corpus(), ..first }, 9).await.err(),
            control.grant_corpus(CorpusGrantRow { tenant: world.ids().tenant(), ..first }, 9).await.err(),
            // A corpus holds no grants.
            control.grant_corpus(grant(&world, two.id.home(), &one), 9).await.err(),
            control.revoke_corpus(owner, two.id).await.err(),
        ] {
            assert_eq!(absent.unwrap().kind(), &ErrorKind::NotFound);
        }
        control.revoke_corpus(owner, one.id).await.unwrap();
        assert!(control.corpus_grants_of(owner).await.unwrap().is_empty());
        assert_eq!(control.corpus_grants_of(stranger).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_grant_reads_and_cannot_write() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let (corpus, operated) = made(&world, "eu_gdpr").await;
        let document = hand_in(&world, &operated).await;
        let grant = CorpusGrant::mint(&world.owner, corpus.id);
        let reader = world.store.corpus(&grant).await.unwrap();
        let sealed = world.store.tenant(&operated).await.unwrap().document(document).await.unwrap().unwrap().sealed_detail;
        assert_eq!(reader.opener().open("documents", "detail", document.as_bytes(), &sealed).unwrap(), b"law", "{engine:?}");
        assert_eq!(reader.home(), corpus.id.home());

        // Whatever statement came to the transaction that a reader holds, nothing would be written by it.
        for sql in [
            "DELETE FROM documents",
            "DELETE FROM chunks",
            "UPDATE corpus SET epoch = epoch + 1",
            "INSERT INTO facets (facet, document) SELECT 1, id FROM documents",
        ] {
            let mut knowledge = reader.knowledge().await.unwrap();
            assert!(knowledge.tx().exec(sql, &[]).await.is_err(), "{engine:?}: {sql}");
        }
        assert_eq!(world.store.tenant(&operated).await.unwrap().documents(None, 9).await.unwrap().len(), 1);
        // And the tenant's own home has nothing of it.
        let own = world.store.tenant(&world.owner).await.unwrap();
        assert!(own.documents(None, 9).await.unwrap().is_empty());
        let opened = world.store.seals(&world.owner).await.unwrap().open("documents", "detail", document.as_bytes(), &sealed);
        assert!(opened.is_err(), "no tenant's key opens what is sealed in a corpus");
    }
}

#[tokio::test]
async fn an_erased_corpus_leaves_nothing() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let (goes, operated) = made(&world, "goes").await;
        let (stays, _) = made(&world, "stays").await;
        hand_in(&world, &operated).await;
        let control = world.store.control();
        for corpus in [&goes, &stays] {
            control.grant_corpus(grant(&world, world.owner.tenant(), corpus), 9).await.unwrap();
        }
        let reader = world.store.corpus(&CorpusGrant::mint(&world.owner, goes.id)).await.unwrap();
        world.store.begin_erasure(&operated, world.clock.now()).await.unwrap();
        assert!(control.corpora().await.unwrap()[0].erasing, "{engine:?}");
        let late = control.grant_corpus(grant(&world, world.stranger.tenant(), &goes), 9).await.unwrap_err();
        assert_eq!(late.kind(), &ErrorKind::NotFound);
        let receipt = world.store.erase_tenant(&operated, world.clock.now()).await.unwrap();
        assert_eq!(world.store.erase_tenant(&operated, world.clock.now()).await.unwrap(), receipt, "the first receipt");

        assert_eq!(control.corpora().await.unwrap(), std::slice::from_ref(&stays));
        let left: Vec<_> = control.corpus_grants().await.unwrap().into_iter().map(|row| row.corpus).collect();
        assert_eq!(left, [stays.id]);
        assert!(!world.place.keeps_data_of(&operated).await);
        let again = world.store.corpus(&CorpusGrant::mint(&world.owner, goes.id)).await.err().unwrap();
        assert_eq!(again.kind(), &ErrorKind::NotFound);
        if let Ok(mut knowledge) = reader.knowledge().await {
            assert!(knowledge.published().await.map_or(true, |published| published.is_empty()), "who held it sees nothing");
        }
        let world = world.reopen().await;
        assert_eq!(world.store.control().corpora().await.unwrap().len(), 1);
        made(&world, "goes").await;
    }
}

#[tokio::test]
async fn a_tenant_that_is_erased_holds_no_grants() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let (corpus, _) = made(&world, "eu_gdpr").await;
        let control = world.store.control();
        for tenant in [world.owner.tenant(), world.stranger.tenant()] {
            control.grant_corpus(grant(&world, tenant, &corpus), 9).await.unwrap();
        }
        world.store.erase_tenant(&world.owner, world.clock.now()).await.unwrap();
        let left: Vec<_> = control.corpus_grants().await.unwrap().into_iter().map(|row| row.tenant).collect();
        assert_eq!(left, [world.stranger.tenant()], "{engine:?}");
        assert_eq!(control.corpora().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_profile_is_its_tenants() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let row = ProfileRow { changed_at: world.clock.now(), sealed_profile: vec![1, 2] };
        let (owner, stranger) =
            (world.store.tenant(&world.owner).await.unwrap(), world.store.tenant(&world.stranger).await.unwrap());
        owner.keep_profile(&ProfileRow { sealed_profile: vec![9], ..row.clone() }).await.unwrap();
        owner.keep_profile(&row).await.unwrap();
        assert_eq!(owner.profile().await.unwrap(), Some(row.clone()), "{engine:?}");
        assert_eq!(stranger.profile().await.unwrap(), None);
        stranger.forget_profile().await.unwrap();
        drop((owner, stranger));
        let world = world.reopen().await;
        let owner = world.store.tenant(&world.owner).await.unwrap();
        assert_eq!(owner.profile().await.unwrap(), Some(row));
        owner.forget_profile().await.unwrap();
        assert_eq!(owner.profile().await.unwrap(), None);
    }
}
