//! basic.publish: from a command to a place in a page and in the queues' mail.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Instant;

use actix::prelude::*;
use leveret_protocol::method::basic;
use leveret_protocol::properties::{delivery_mode, flag, flags, rewrite};
use leveret_protocol::{Body, BodyRef, Content, Exception, FieldTable, Properties, ReplyCode};
use memchr::memmem;
use tracing::debug;

use super::actor::Channel;
use super::expiration::check_expiration;
use super::routes::Route;
use crate::chance;
use crate::clock;
use crate::exchange::kind::ExchangeKind;
use crate::exchange::walk::{Content as Known, Message, Walked, sender_selected, walk};
use crate::name::Name;
use crate::node::{Access, Context, Resource};
use crate::publication::Publication;
use crate::vhost::names;

/// Properties that say nothing to the broker but how to keep the message.
const PLAIN: u16 = flag::DELIVERY_MODE | flag::PRIORITY;

/// A publication that passed the checks.
pub(super) struct Checked<'a> {
    pub(super) exchange: &'a str,
    pub(super) key: &'a str,
    pub(super) mandatory: bool,
    pub(super) properties: Cow<'a, [u8]>,
    pub(super) persistent: bool,
    /// Whether the headers have a BCC.
    pub(super) blind: bool,
    pub(super) headers: Option<FieldTable>,
    /// CC and BCC.
    pub(super) further_keys: Vec<String>,
}

impl Checked<'_> {
    /// The message, with this body.
    #[inline]
    pub(super) fn publication<'b>(&'b self, body: Body<'b>) -> Publication<'b> {
        Publication {
            exchange: self.exchange.as_bytes(),
            routing_key: self.key.as_bytes(),
            properties: &self.properties,
            persistent: self.persistent,
            dead_lettered: false,
            blind: self.blind,
            body_len: body.len() as u32,
            body,
        }
    }
}

impl Channel {
    /// Takes a publication: routes it and gathers it for its queues, or stages it in a transaction.
    pub(super) fn publish(
        &mut self,
        publish: &basic::Publish<'_>,
        content: Content<'_>,
        ctx: &mut Context<Self>,
    ) -> Result<(), Exception> {
        if publish.immediate {
            return Err(Exception::new(ReplyCode::NotImplemented, "immediate=true"));
        }
        let route = self.route(publish.exchange, publish.routing_key, ctx)?;
        let is_plain = flags(content.properties) & !PLAIN == 0 && self.transaction.is_none();
        if let Some(queues) = route.queues()
            && is_plain
            && !queues.is_empty()
        {
            self.gather(as_it_came(publish, content.properties, content.body), queues);
            return Ok(());
        }
        if matches!(route, Route::ByContent) && self.repeats(publish, &content) {
            return Ok(());
        }
        let checked = self.check(publish, content.properties, matches!(route, Route::ByContent))?;
        match &mut self.transaction {
            Some(transaction) => transaction.publish(checked, content.body),
            None => self.send(route, &checked, content.body, ctx)?,
        }
        Ok(())
    }

    /// Gathers a publication that goes by its headers if they and all else but the body are those of the last such.
    fn repeats(&mut self, publish: &basic::Publish<'_>, content: &Content<'_>) -> bool {
        let (exchange, key, properties) = (publish.exchange, publish.routing_key, content.properties);
        let known = self.routes.get_by_content(exchange, key, properties);
        let Some(queues) = known.filter(|_| self.transaction.is_none()) else {
            return false;
        };
        self.gather(as_it_came(publish, properties, content.body.clone()), &queues);
        true
    }

    /// Gathers a publication for its queues.
    pub(super) fn send(
        &mut self,
        route: Route,
        checked: &Checked<'_>,
        body: Body<'_>,
        ctx: &mut Context<Self>,
    ) -> Result<(), Exception> {
        if matches!(route, Route::DirectReply) {
            self.reply(checked, body);
            return Ok(());
        }
        let found;
        let queues = match route.queues().filter(|_| checked.further_keys.is_empty()) {
            Some(queues) => queues,
            None => {
                let (queues, walked) = self.route_by_content(checked, ctx)?;
                walked
                    .histories
                    .iter()
                    .for_each(|history| history.keep(checked.publication(body.clone())));
                if walked.duplicate && queues.is_empty() {
                    self.confirm_at_once();
                    return Ok(());
                }
                found = queues;
                &found
            }
        };
        if queues.is_empty() {
            self.unroutable(checked, &body);
            return Ok(());
        }
        self.gather(checked.publication(body), queues);
        Ok(())
    }

    /// Gathers a publication for these queues, and numbers it if confirms are on.
    #[inline]
    fn gather(&mut self, publication: Publication<'_>, queues: &[u32]) {
        let permit = self.inbox.permit();
        let written = self
            .session
            .mailbag
            .write(permit, |page| page.copy_priced(publication));
        let confirm = self.confirms.as_mut().map(|confirms| {
            let number = confirms.publish();
            confirms.sent(number, queues);
            number
        });
        self.attachments.publish(queues, written, confirm);
    }

    /// Posts what was gathered for the queues, with what other channels have.
    pub(super) fn post_publications(&mut self) {
        if self.attachments.has_publications() {
            self.session.mailbag.post();
        }
    }

    /// Posts what was gathered for the queues, or has it posted when other channels have executed theirs of the same read.
    pub(super) fn call_or_post(&mut self, alone: bool) {
        if alone {
            self.post_publications();
        } else if self.attachments.has_publications() {
            self.session.mailbag.call();
        }
    }

    /// The checks that depend on the properties, in the order clients know.
    fn check<'a>(
        &self,
        publish: &basic::Publish<'a>,
        raw: &'a [u8],
        by_content: bool,
    ) -> Result<Checked<'a>, Exception> {
        let mut checked = Checked {
            exchange: publish.exchange,
            key: publish.routing_key,
            mandatory: publish.mandatory,
            properties: Cow::Borrowed(raw),
            persistent: delivery_mode(raw) == Some(2),
            blind: false,
            headers: None,
            further_keys: Vec::new(),
        };
        if flags(raw) & !PLAIN != 0 {
            self.check_properties(raw, by_content, &mut checked)?;
        }
        Ok(checked)
    }

    fn check_properties(
        &self,
        raw: &[u8],
        by_content: bool,
        checked: &mut Checked<'_>,
    ) -> Result<(), Exception> {
        let properties = Properties::parse(raw)?;
        if properties.reply_to == Some(names::DIRECT_REPLY_TO.as_bytes()) {
            let address = self.reply_address()?;
            checked.properties = Cow::Owned(rewrite::with_reply_to(raw, &address)?.to_vec());
        }
        if let Some(expiration) = properties.expiration {
            check_expiration(expiration)?;
        }
        if let Some(user) = properties.user_id {
            self.check_user_id(user)?;
        }
        if let Some(raw) = properties.headers_raw
            && (by_content || mentions(raw, b"\x02CC") || mentions(raw, b"\x03BCC"))
        {
            check_headers(&properties, checked)?;
        }
        Ok(())
    }

    fn check_user_id(&self, user: &[u8]) -> Result<(), Exception> {
        let session = &self.session;
        if user == session.user.as_bytes() || session.node.settings.authority.is_impersonator(&session.user) {
            return Ok(());
        }
        let text = format!(
            "user_id property set to '{}' but authenticated user was '{}'",
            String::from_utf8_lossy(user),
            session.user
        );
        Err(Exception::new(ReplyCode::PreconditionFailed, text))
    }

    /// The route of an exchange and key, remembered or found.
    pub(super) fn route(
        &mut self,
        exchange: &str,
        key: &str,
        ctx: &mut Context<Self>,
    ) -> Result<Route, Exception> {
        let generation = self.session.vhost.directory.generation();
        if let Some(route) = self.routes.get(exchange, key, generation) {
            return Ok(route);
        }
        let begun = Instant::now();
        let route = self.find_route(exchange, key, ctx)?;
        self.labour.add(begun);
        self.routes.put(exchange, key, route.clone());
        Ok(route)
    }

    fn find_route(&mut self, exchange: &str, key: &str, ctx: &mut Context<Self>) -> Result<Route, Exception> {
        self.session.check(Access::Write, Resource::Exchange(exchange))?;
        let directory = &self.session.vhost.directory;
        let found = directory
            .exchange(exchange)
            .ok_or_else(|| names::no_exchange(exchange, &directory.vhost))?;
        if found.options.internal {
            return Err(names::internal_exchange(exchange, &directory.vhost));
        }
        if found.options.kind == ExchangeKind::Topic {
            self.session.check_topic(Access::Write, exchange, key)?;
        }
        if exchange.is_empty() && key.starts_with(names::DIRECT_REPLY_TO) {
            return Ok(Route::DirectReply);
        }
        let mut queues = Vec::new();
        let asked = Message {
            keys: &[key],
            content: None,
        };
        if walk(&**directory, &found.routing.load(), asked, &mut queues).by_content {
            return Ok(Route::ByContent);
        }
        Ok(Route::to(self.attach_all(&queues, ctx)))
    }

    fn attach_all(&mut self, queues: &[Name], ctx: &mut Context<Self>) -> Rc<[u32]> {
        let directory = &self.session.vhost.directory;
        let handles = queues.iter().filter_map(|name| directory.queue(name));
        handles
            .inspect(|handle| handle.dwelling.expect_use(self.session.worker))
            .map(|handle| self.attachments.attach(handle, || ctx.address().recipient()))
            .collect()
    }

    /// Routes what can't be remembered: by headers, by CC and BCC, by chance, by what was there before.
    fn route_by_content(
        &mut self,
        checked: &Checked<'_>,
        ctx: &mut Context<Self>,
    ) -> Result<(Rc<[u32]>, Walked), Exception> {
        let begun = Instant::now();
        let directory = &self.session.vhost.directory;
        let exchange = directory
            .exchange(checked.exchange)
            .ok_or_else(|| names::no_exchange(checked.exchange, &directory.vhost))?;
        for key in &checked.further_keys {
            if exchange.options.kind == ExchangeKind::Topic {
                self.session.check_topic(Access::Write, checked.exchange, key)?;
            }
        }
        let mut keys = vec![checked.key];
        keys.extend(checked.further_keys.iter().map(String::as_str));
        let content = Known {
            headers: checked.headers.as_ref(),
            properties: &checked.properties,
            now: clock::now(),
            random: chance::draw(),
        };
        let message = Message {
            keys: &keys,
            content: Some(content),
        };
        let mut queues = Vec::new();
        let walked = walk(&**directory, &exchange.routing.load(), message, &mut queues);
        self.labour.add(begun);
        let queues = self.attach_all(&queues, ctx);
        // What was changed or is hidden would have to be so again, and who may speak for others may have changed.
        if let Cow::Borrowed(properties) = checked.properties
            && flags(properties) & flag::USER_ID == 0
            && !(checked.blind || walked.unsteady || queues.is_empty())
        {
            self.routes
                .put_by_content(checked.exchange, checked.key, properties, Rc::clone(&queues));
        }
        Ok((queues, walked))
    }

    /// Nowhere to go: returned if mandatory, and confirmed either way, in that order.
    pub(super) fn unroutable(&mut self, checked: &Checked<'_>, body: &Body<'_>) {
        if checked.mandatory {
            let properties = checked.publication(body.clone()).shown_properties();
            self.return_to_publisher(checked.exchange, checked.key, &properties, BodyRef::from(body));
        } else {
            debug!(
                exchange = checked.exchange,
                key = checked.key,
                "unroutable message dropped"
            );
        }
        self.confirm_at_once();
    }

    fn confirm_at_once(&mut self) {
        if let Some(confirms) = &mut self.confirms {
            confirms.publish();
        }
    }

    pub(super) fn return_to_publisher(
        &mut self,
        exchange: &str,
        routing_key: &str,
        properties: &[u8],
        body: BodyRef<'_>,
    ) {
        let returned = basic::Return {
            reply_code: ReplyCode::NoRoute as u16,
            reply_text: ReplyCode::NoRoute.name(),
            exchange,
            routing_key,
        };
        let (number, frame_max) = (self.number, self.session.frame_max);
        self.output.answer(|chunk| {
            chunk.method(number, &returned);
            chunk.content(number, properties, body, frame_max);
        });
    }
}

/// A publication of which nothing is to be changed.
#[inline]
fn as_it_came<'a>(publish: &basic::Publish<'a>, properties: &'a [u8], body: Body<'a>) -> Publication<'a> {
    Publication {
        exchange: publish.exchange.as_bytes(),
        routing_key: publish.routing_key.as_bytes(),
        properties,
        persistent: delivery_mode(properties) == Some(2),
        dead_lettered: false,
        blind: false,
        body_len: 0,
        body,
    }
}

/// Reads CC and BCC.
fn check_headers(properties: &Properties<'_>, checked: &mut Checked<'_>) -> Result<(), Exception> {
    let headers = properties.headers()?.unwrap_or_default();
    checked.further_keys = sender_selected(&headers)?
        .into_iter()
        .map(str::to_owned)
        .collect();
    checked.blind = headers.get("BCC").is_some();
    checked.headers = Some(headers);
    Ok(())
}

/// A quick look whether a raw table may have a key, given with its length octet.
fn mentions(table: &[u8], key: &[u8]) -> bool {
    memmem::find(table, key).is_some()
}
