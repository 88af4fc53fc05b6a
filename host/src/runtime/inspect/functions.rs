//! What one function costs a compiler, at worst.

use wasmparser::{BlockType, FunctionBody, Operator, Result};

use super::Reason;
use super::bounds::{FUNCTION_BYTES_MAX, FUNCTION_COST_MAX, LOCALS_MAX};

/// What a function is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Weight {
    /// Bytes of its body.
    bytes: usize,
    /// Locals, parameters included.
    locals: u64,
    /// Places where control flow begins, ends or joins.
    blocks: u64,
    /// Values that blocks take and leave, all together.
    carried: u64,
}

impl Weight {
    /// Weighs a body. `params` is the number of its parameters; `arity` how many values a block of that type
    /// takes and leaves.
    pub(super) fn of(
        body: &FunctionBody<'_>,
        params: usize,
        arity: impl Fn(BlockType) -> usize,
    ) -> Result<Self> {
        let mut weight = Self {
            bytes: body.range().len(),
            locals: params as u64,
            ..Self::default()
        };
        for locals in body.get_locals_reader()? {
            weight.locals += u64::from(locals?.0);
        }
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            weight.add(&operators.read()?, &arity);
        }
        Ok(weight)
    }

    fn add(&mut self, operator: &Operator<'_>, arity: impl Fn(BlockType) -> usize) {
        match operator {
            Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
                self.blocks += 1;
                self.carried += arity(*blockty) as u64;
            }
            Operator::Else | Operator::Br { .. } | Operator::BrIf { .. } => self.blocks += 1,
            Operator::BrTable { targets } => self.blocks += u64::from(targets.len()),
            _ => {}
        }
    }

    /// Locals times blocks, and what blocks carry.
    pub(super) fn cost(self) -> u64 {
        self.locals
            .saturating_mul(self.blocks)
            .saturating_add(self.carried)
    }

    /// Which bound it exceeds, if any; `name` tells the function.
    pub(super) fn check(self, name: &str) -> Option<Reason> {
        let (what, count, most) = [
            ("bytes", self.bytes as u64, FUNCTION_BYTES_MAX as u64),
            ("locals", self.locals, LOCALS_MAX),
            ("locals times blocks", self.cost(), FUNCTION_COST_MAX),
        ]
        .into_iter()
        .find(|(_, count, most)| count > most)?;
        let problem = format!(
            "has {count} {what} in {name}, more than {most}, and would take too long to compile"
        );
        let remedy =
            "split this function, or build it with optimisation, without inlining everything";
        Some(Reason::new(problem, remedy))
    }

    pub(super) fn exceeds(self) -> bool {
        self.check("").is_some()
    }
}
