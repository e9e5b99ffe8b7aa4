//! The last messages of an exchange, sent to a destination that is bound to it now.

use leveret_protocol::Properties;

use super::bindings::Destination;
use super::history::History;
use super::walk::{Content, Message, walk};
use crate::chance;
use crate::clock;
use crate::id::ChannelId;
use crate::name::Name;
use crate::publication::{Part, Publication};
use crate::queue::messages::Enqueue;
use crate::vhost::directory::Directory;

/// Sends what was kept to the queue, or the queues that the exchange leads each message to, in its order.
pub(super) fn replay(history: &History, to: &Destination, directory: &Directory) {
    // Nobody waits for an answer.
    let channel = ChannelId::next();
    for (page, offset) in history.messages() {
        let queues = match to {
            Destination::Queue(name) => vec![name.clone()],
            Destination::Exchange(name) => beyond(name, &page.get(offset), directory),
        };
        for queue in queues.iter().filter_map(|name| directory.queue(name)) {
            let part = Part::whole(page.clone(), vec![offset], None);
            queue.addr().do_send(Enqueue::of(channel, part, None));
        }
    }
}

/// The queues behind an exchange.
fn beyond(exchange: &str, publication: &Publication<'_>, directory: &Directory) -> Vec<Name> {
    let mut queues = Vec::new();
    let Some(exchange) = directory.exchange(exchange) else {
        return queues;
    };
    let key = std::str::from_utf8(publication.routing_key).unwrap_or_default();
    let properties = Properties::parse(publication.properties).unwrap_or_default();
    let headers = properties.headers().ok().flatten();
    let content = Content {
        headers: headers.as_ref(),
        properties: publication.properties,
        now: clock::now(),
        random: chance::draw(),
    };
    let message = Message {
        keys: &[key],
        content: Some(content),
    };
    walk(directory, &exchange.routing.load(), message, &mut queues);
    queues
}
