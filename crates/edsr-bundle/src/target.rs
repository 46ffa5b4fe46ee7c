//! Targets: what is known about the things playbooks work on.

use edsr_engine::policy::Target;

use crate::envelope::Envelope;
use crate::read::Ctx;
use crate::shape::{Shape, Ty, optional, required};

pub(crate) static SPEC: Shape = Shape {
    name: "the target",
    fields: &[
        required("environment", Ty::Text, "where it runs, for example `prod`"),
        optional(
            "team",
            Ty::Text,
            "who owns it; the owner of the document where left out",
        ),
        optional(
            "labels",
            Ty::Map(&Ty::Scalar),
            "labels that policies read with `resource.getTag(\"…\")`",
        ),
    ],
    one_of: &[],
};

/// The facts of a document. Nothing where it is not whole.
pub(crate) fn read<'n>(ctx: &'n Ctx<'n>, envelope: &Envelope<'n>) -> Option<Target> {
    let spec = ctx.fields(envelope.spec?, &envelope.spec_span, &SPEC)?;
    let environment = spec.text("environment");
    let team = spec.text("team");
    let labels = spec
        .get("labels")
        .map_or(&[][..], |node| ctx.map(node, "`labels`"));
    let labels = labels
        .iter()
        .filter_map(|entry| {
            let value = ctx.raw(&entry.value, "a label")?;
            Some((entry.key.to_string(), value.to_owned()))
        })
        .collect();
    Some(Target {
        environment: environment?,
        team: team.unwrap_or_else(|| envelope.owner.clone()),
        labels,
    })
}
