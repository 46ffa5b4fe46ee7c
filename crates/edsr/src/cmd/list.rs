//! What every list and every look at one thing has in common.

use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Context;
use crate::client::{Client, Query, typed};
use crate::exit::{Exit, Failure, Outcome, Stop};
use crate::output::Rows;
use crate::show::Sheet;

/// How many items a list shows unless told otherwise.
const LIMIT_DEFAULT: u64 = 20;
/// How many items are asked for at once.
const PAGE_ITEMS_MAX: u64 = 200;
/// The most items a list shows: they are held in memory for their table.
const LIMIT_MAX: u64 = 10_000;

/// How much of a list is shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct Limit {
    /// How many are shown, the newest first
    #[arg(long, value_name = "N", default_value_t = LIMIT_DEFAULT,
          value_parser = clap::value_parser!(u64).range(1..=LIMIT_MAX))]
    pub(crate) limit: u64,
}

/// An id, or as much of its beginning as makes it unique.
#[derive(Debug, Clone, Args)]
pub(crate) struct Id {
    /// Its id, or as much of the beginning as makes it unique
    #[arg(value_name = "ID", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) id: String,
}

/// How one kind of thing is listed.
pub(super) struct Listing<T> {
    /// Its collection in the API.
    pub(super) resource: &'static str,
    /// Headings of its table.
    pub(super) head: &'static [&'static str],
    /// Adds one to the table.
    pub(super) row: fn(&mut Rows, &T),
    /// What is said where there is none.
    pub(super) none: &'static str,
}

impl<T: DeserializeOwned> Listing<T> {
    /// Prints the newest `limit` that the filters let through.
    pub(super) async fn run(&self, context: &Context, filters: Query, limit: u64) -> Outcome {
        let client = context.client()?;
        let items = collect(&client, self.resource, &filters, None, limit).await?;
        self.print(context, &items)
    }

    /// Prints items that are there already.
    pub(super) fn print(&self, context: &Context, items: &[Value]) -> Outcome {
        if !context.out.is_table() {
            context.out.document(&items)?;
            return Ok(Exit::Ok);
        }
        let mut rows = Rows::new(self.head);
        for item in items {
            (self.row)(&mut rows, &typed(item)?);
        }
        context.out.table(rows, self.none)?;
        Ok(Exit::Ok)
    }
}

/// Prints one thing.
pub(super) async fn get<T: DeserializeOwned>(
    context: &Context,
    resource: &str,
    id: &str,
    show: impl FnOnce(&mut Sheet, &T),
) -> Outcome {
    let value = context.client()?.get(&[resource, id], &Vec::new()).await?;
    document(context, &value, show)
}

/// Prints a value as a document, or as `show` writes it for people.
pub(super) fn document<T: DeserializeOwned>(
    context: &Context,
    value: &Value,
    show: impl FnOnce(&mut Sheet, &T),
) -> Outcome {
    if !context.out.is_table() {
        context.out.document(value)?;
        return Ok(Exit::Ok);
    }
    let mut sheet = Sheet::new(&context.out);
    show(&mut sheet, &typed(value)?);
    sheet.print()?;
    Ok(Exit::Ok)
}

/// The filters that were given.
pub(super) fn filters<const N: usize>(given: [(&'static str, &Option<String>); N]) -> Query {
    given
        .into_iter()
        .filter_map(|(name, value)| value.clone().map(|value| (name, value)))
        .collect()
}

/// Hands a collection page by page to `each`, at most `limit` items: oldest first from the place `from` on, else
/// newest first.
pub(super) async fn pages(
    client: &Client,
    resource: &str,
    filters: &Query,
    from: Option<u64>,
    limit: u64,
    mut each: impl FnMut(Vec<Value>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let cursor = if from.is_some() { "from" } else { "before" };
    let mut left = limit;
    let mut place = from;
    while left > 0 {
        let mut query = filters.clone();
        query.push(("limit", left.min(PAGE_ITEMS_MAX).to_string()));
        query.extend(place.map(|place| (cursor, place.to_string())));
        let page: Page = typed(&client.get(&[resource], &query).await?)?;
        let mut items = page.items;
        items.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        left -= items.len() as u64;
        each(items)?;
        // A server that points to the same place again would keep us here for ever.
        match page.next {
            Some(next) if Some(next) != place => place = Some(next),
            _ => break,
        }
    }
    Ok(())
}

/// The same, as one list.
pub(super) async fn collect(
    client: &Client,
    resource: &str,
    filters: &Query,
    from: Option<u64>,
    limit: u64,
) -> Result<Vec<Value>, Stop> {
    let mut all = Vec::new();
    pages(client, resource, filters, from, limit, |items| {
        all.extend(items);
        Ok(())
    })
    .await?;
    Ok(all)
}

/// A page, its items as they came.
#[derive(serde::Deserialize)]
struct Page {
    items: Vec<Value>,
    #[serde(default)]
    next: Option<u64>,
}

/// A text that is there for a reason.
pub(super) fn reason(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Failure::usage("the text is empty")
            .help("say why; it is kept in the journal with your name"));
    }
    Ok(text.to_owned())
}
