//! The thread of the log: what the queues and the broker hear from it.

use std::time::Duration;

use actix::prelude::*;

use super::*;
use crate::journal::writer::{Health, Writer};
use crate::journal::{Keeper, Notice, Run, Told};

/// Passes on what a queue would hear.
struct Ear(tokio::sync::mpsc::UnboundedSender<u64>);

impl Actor for Ear {
    type Context = Context<Self>;
}

impl Handler<Notice> for Ear {
    type Result = ();

    fn handle(&mut self, Notice { told, .. }: Notice, _: &mut Context<Self>) {
        if let Told::Synced { upto } = told {
            let Ear(reply) = self;
            let _ = reply.send(upto);
        }
    }
}

fn append(position: u64) -> Op {
    append_body(position, &position.to_le_bytes())
}

fn append_body(position: u64, body: &[u8]) -> Op {
    let mut builder = PageBuilder::new();
    let offset = builder.push("x", "k", &[0, 0], true, Body::Slice(body));
    Op::Append {
        store: StoreId(1),
        page: builder.finish(),
        messages: vec![(position, offset)],
        deadlines: Vec::new(),
        ticket: position,
    }
}

async fn heard(synced: &mut tokio::sync::mpsc::UnboundedReceiver<u64>, upto: u64) {
    let told = async { while synced.recv().await.unwrap() < upto {} };
    let wait = tokio::time::timeout(Duration::from_secs(10), told);
    wait.await.expect("the queue hears in time");
}

#[actix::test]
async fn a_queue_hears_when_its_messages_are_safe_and_how_many_wait() {
    let files = Faulty::default();
    let log = Log::new(
        Arc::new(files.clone()),
        LogSettings::default(),
        scan(&files).unwrap(),
    );
    let (writer, thread) = Writer::start(Keeper::Journal, log, Arc::default(), |_| {}).unwrap();
    let (tell, mut synced) = tokio::sync::mpsc::unbounded_channel();
    writer.open(StoreId(1), Ear(tell).start().recipient());
    for position in 1..=100 {
        writer.write(append(position), None);
    }
    heard(&mut synced, 100).await;
    let positions = vec![Positions { first: 2, last: 99 }];
    let store = StoreId(1);
    writer.write(Op::Settled { store, positions }, None);
    let kept = writer.kept(store).await.unwrap();
    let run = Run {
        positions: Positions { first: 1, last: 100 },
        messages: 2,
    };
    assert_eq!((kept.waiting, kept.next_position), (Some(run), 101));
    assert_eq!(writer.kept(StoreId(2)).await.unwrap().waiting, None);
    writer.stop().await.unwrap().unwrap();
    thread.join().unwrap();
    assert!(scan(&files).unwrap().stopped_in_order);
}

#[actix::test]
async fn nothing_is_safe_while_the_disk_is_full_and_all_is_once_there_is_room() {
    let files = Faulty::default();
    let log = Log::new(
        Arc::new(files.clone()),
        LogSettings::default(),
        scan(&files).unwrap(),
    );
    let (reply, mut health) = tokio::sync::mpsc::unbounded_channel();
    let (writer, _thread) = Writer::start(Keeper::Journal, log, Arc::default(), move |told| {
        reply.send(told).unwrap()
    })
    .unwrap();
    let (tell, mut synced) = tokio::sync::mpsc::unbounded_channel();
    writer.open(StoreId(1), Ear(tell).start().recipient());
    writer.write(append(1), None);
    heard(&mut synced, 1).await;
    files.disk().space = Some(40);
    // More than there is room for in the file.
    writer.write(append_body(2, &[2; 1 << 20]), None);
    assert!(matches!(health.recv().await.unwrap(), Health::Failing(_)));
    assert!(synced.try_recv().is_err());
    files.disk().space = None;
    heard(&mut synced, 2).await;
    assert_eq!(health.recv().await.unwrap(), Health::Good);
}
