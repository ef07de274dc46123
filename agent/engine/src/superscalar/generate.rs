//! The making of a superscalar program: a simulated processor decodes 16 bytes of code per cycle,
//! executes on three ports, and the generator fills every slot with an instruction whose operands
//! are ready (specification, chapters 6.2 and 6.3). Every draw from the generator of random bytes
//! is part of the standard: order and number of the draws must not change.

use super::{Instruction, Op, Program};
use crate::blake::Generator;
use crate::params::MAX_SUPERSCALAR;
use crate::reciprocal::reciprocal;

/// Sets of execution ports. Multiplication runs on P1 only.
mod port {
    pub(super) const P0: u8 = 1;
    pub(super) const P1: u8 = 2;
    pub(super) const P5: u8 = 4;
    pub(super) const P01: u8 = P0 | P1;
    pub(super) const P05: u8 = P0 | P5;
    pub(super) const P015: u8 = P0 | P1 | P5;
    /// In the order in which a free one is looked for, so that P1 stays free for multiplications.
    pub(super) const ORDER: [u8; 3] = [P5, P0, P1];
}

/// One operation of the simulated processor; a line of table 6.2.1.
#[derive(Clone, Copy)]
struct MacroOp {
    latency: usize,
    /// The ports for each of its micro-ops, which start in the same cycle. None for a move, which
    /// needs no execution.
    ports: &'static [u8],
    /// Whether it needs the result of the one before.
    dependent: bool,
}

impl MacroOp {
    const fn new(latency: usize, ports: &'static [u8]) -> Self {
        Self {
            latency,
            ports,
            dependent: false,
        }
    }
}

const ALU: MacroOp = MacroOp::new(1, &[port::P015]);
const LEA: MacroOp = MacroOp::new(1, &[port::P01]);
const ROTATE: MacroOp = MacroOp::new(1, &[port::P05]);
const MULTIPLY: MacroOp = MacroOp::new(3, &[port::P1]);
const MULTIPLY_WIDE: MacroOp = MacroOp::new(4, &[port::P1, port::P5]);
const MOVE: MacroOp = MacroOp::new(0, &[]);
const MULTIPLY_LOADED: MacroOp = MacroOp {
    dependent: true,
    ..MULTIPLY
};

/// An operation as the simulated processor sees it.
struct Shape {
    macro_ops: &'static [MacroOp],
    /// At which of them the result is written, the destination and the source are chosen.
    result: usize,
    destination: usize,
    source: Option<usize>,
}

const fn simple(macro_ops: &'static [MacroOp], source: Option<usize>) -> Shape {
    Shape {
        macro_ops,
        result: 0,
        destination: 0,
        source,
    }
}

const fn shape(op: Op) -> Shape {
    match op {
        Op::Sub | Op::Xor => simple(&[ALU], Some(0)),
        Op::AddShifted => simple(&[LEA], Some(0)),
        Op::Mul => simple(&[MULTIPLY], Some(0)),
        Op::Rotate => simple(&[ROTATE], None),
        Op::AddConstant | Op::XorConstant => simple(&[ALU], None),
        Op::MulHigh | Op::MulHighSigned => Shape {
            macro_ops: &[MOVE, MULTIPLY_WIDE, MOVE],
            result: 1,
            destination: 0,
            source: Some(1),
        },
        Op::MulReciprocal => Shape {
            macro_ops: &[ALU, MULTIPLY_LOADED],
            result: 1,
            destination: 1,
            source: None,
        },
    }
}

/// How the 16 bytes of a cycle are split into slots (table 6.3.1).
type Group = &'static [u8];
const GROUPS: [Group; 4] = [&[4, 8, 4], &[7, 3, 3, 3], &[3, 7, 3, 3], &[4, 9, 3]];
const MULTIPLICATIONS: Group = &[4, 4, 4, 4];
const WIDE_MULTIPLICATION: Group = &[3, 3, 10];

fn next_group(
    last: Option<Op>,
    cycle: usize,
    multiplications: usize,
    random: &mut Generator,
) -> Group {
    match last {
        Some(Op::MulHigh | Op::MulHighSigned) => WIDE_MULTIPLICATION,
        _ if multiplications <= cycle => MULTIPLICATIONS,
        Some(Op::MulReciprocal) if random.byte() & 1 == 1 => GROUPS[0],
        Some(Op::MulReciprocal) => GROUPS[3],
        _ => GROUPS[usize::from(random.byte() & 3)],
    }
}

/// What was last done to a register, so that it is not done twice in a row: the operation, subtraction
/// and addition being one, and its source. Two wide multiplications differ by a random number.
type Deed = (Op, i32);

/// The second part of a [`Deed`] with a constant.
const CONSTANT: i32 = -1;

/// An instruction in the making.
#[derive(Clone, Copy)]
struct Draft {
    instruction: Instruction,
    deed: Deed,
    deed_has_source: bool,
}

impl Draft {
    /// Chooses an operation whose first macro-op fits the slot, and its constants (table 6.3.2).
    fn for_slot(random: &mut Generator, group: Group, slot: usize) -> Self {
        let is_last = slot + 1 == group.len();
        let op = match group[slot] {
            3 if is_last => {
                [Op::Sub, Op::Xor, Op::MulHigh, Op::MulHighSigned][usize::from(random.byte() & 3)]
            }
            3 => [Op::Sub, Op::Xor][usize::from(random.byte() & 1)],
            4 if core::ptr::eq(group, MULTIPLICATIONS) && !is_last => Op::Mul,
            4 => [Op::Rotate, Op::AddShifted][usize::from(random.byte() & 1)],
            10 => Op::MulReciprocal,
            _ => [Op::XorConstant, Op::AddConstant][usize::from(random.byte() & 1)],
        };
        let mut shift = 0;
        let mut constant = 0;
        let mut deed = (op, CONSTANT);
        match op {
            Op::Sub => deed.0 = Op::AddShifted,
            Op::Xor | Op::Mul => {}
            Op::AddShifted => shift = random.byte() >> 2 & 3,
            Op::Rotate => constant = draw(|| u64::from(random.byte() & 63), |bits| bits != 0),
            Op::AddConstant | Op::XorConstant => {
                constant = i64::from(random.word() as i32) as u64;
            }
            Op::MulHigh | Op::MulHighSigned => deed.1 = random.word() as i32,
            Op::MulReciprocal => {
                let divisor = draw(|| random.word(), |word| reciprocal(word).is_some());
                constant = reciprocal(divisor).unwrap_or(0);
            }
        }
        Self {
            instruction: Instruction {
                op,
                dst: 0,
                src: 0,
                shift,
                constant,
            },
            deed,
            deed_has_source: matches!(op, Op::Sub | Op::Xor | Op::AddShifted | Op::Mul),
        }
    }

    fn op(&self) -> Op {
        self.instruction.op
    }

    fn choose_source(&mut self, at: usize, registers: &Registers, random: &mut Generator) -> bool {
        let ready = registers.that(|register| register.ready <= at);
        // r5 cannot be the destination of IADD_RS, so it is the source when only two are ready.
        let chosen = if self.op() == Op::AddShifted && ready.len() == 2 && ready.contains(&5) {
            Some(5)
        } else {
            choose(&ready, random)
        };
        let Some(source) = chosen else { return false };
        self.instruction.src = source;
        if self.deed_has_source {
            self.deed.1 = i32::from(source);
        }
        true
    }

    fn choose_destination(
        &mut self,
        at: usize,
        may_chain: bool,
        registers: &Registers,
        random: &mut Generator,
    ) -> bool {
        let op = self.op();
        let has_source = shape(op).source.is_some();
        let may_square = matches!(op, Op::MulHigh | Op::MulHighSigned);
        let mut fit = registers.that(|register| {
            register.ready <= at
                && (may_chain
                    || op != Op::Mul
                    || register.deed.is_none_or(|deed| deed.0 != Op::Mul))
                && register.deed != Some(self.deed)
        });
        if has_source && !may_square {
            fit.retain(|register| *register != self.instruction.src);
        }
        if op == Op::AddShifted {
            fit.retain(|register| *register != 5);
        }
        let Some(destination) = choose(&fit, random) else {
            return false;
        };
        self.instruction.dst = destination;
        if !has_source {
            self.instruction.src = destination;
        }
        true
    }
}

/// Draws until the value suits.
fn draw<T: Copy>(mut next: impl FnMut() -> T, suits: impl Fn(T) -> bool) -> T {
    loop {
        let value = next();
        if suits(value) {
            return value;
        }
    }
}

type Names = heapless::Vec<u8, 8>;

fn choose(names: &Names, random: &mut Generator) -> Option<u8> {
    match names.len() {
        0 | 1 => names.first().copied(),
        many => names.get(random.word() as usize % many).copied(),
    }
}

#[derive(Clone, Copy, Default)]
struct Register {
    /// The cycle in which its value is there.
    ready: usize,
    deed: Option<Deed>,
}

struct Registers([Register; 8]);

impl Registers {
    fn that(&self, suits: impl Fn(&Register) -> bool) -> Names {
        let all = (0_u8..).zip(&self.0);
        all.filter(|(_, register)| suits(register))
            .map(|(name, _)| name)
            .collect()
    }
}

/// Which ports are taken in which cycle.
struct Ports {
    taken: [u8; Self::CYCLES],
    cycles: usize,
}

impl Ports {
    const CYCLES: usize = 256;

    /// The first cycle from `cycle` on with a free port of these, and the port.
    fn free(&self, ports: u8, cycle: usize) -> Option<(usize, u8)> {
        (cycle..self.cycles).find_map(|cycle| {
            let free = ports & !self.taken[cycle];
            let port = port::ORDER.into_iter().find(|port| free & port != 0)?;
            Some((cycle, port))
        })
    }

    /// The first cycle from `cycle` on in which the macro-op can start, and the ports it then takes.
    fn place(&self, op: &MacroOp, cycle: usize) -> Option<(usize, u8)> {
        match *op.ports {
            [] => Some((cycle, 0)),
            [ports] => self.free(ports, cycle),
            [first, second, ..] => (cycle..self.cycles).find_map(|cycle| {
                let (one, port) = self.free(first, cycle)?;
                let (other, another) = self.free(second, cycle)?;
                (one == other).then_some((one, port | another))
            }),
        }
    }

    fn take(&mut self, (cycle, ports): (usize, u8)) {
        if ports != 0 {
            self.taken[cycle] |= ports;
        }
    }
}

/// Cycles that the generator looks ahead for an operand that is ready.
const LOOK_AHEAD: usize = 4;
/// Instructions in a row that may be given up for want of operands.
const MAX_GIVEN_UP: usize = 256;

/// Makes a program that keeps the simulated processor busy for `latency` cycles.
pub(super) fn program(random: &mut Generator, latency: usize) -> Program {
    let limit = 3 * latency + 2;
    let mut ports = Ports {
        taken: [0; Ports::CYCLES],
        cycles: latency + 4,
    };
    let mut registers = Registers([Register::default(); 8]);
    let mut instructions: heapless::Vec<Instruction, MAX_SUPERSCALAR> = heapless::Vec::new();
    // The instruction whose macro-ops are being decoded, and the next of them.
    let mut draft: Option<Draft> = None;
    let mut next = 0;
    let mut cycle = 0;
    let mut last_result = 0;
    let mut multiplications = 0;
    let mut given_up = 0;
    let mut full = false;

    for decode_cycle in 0..latency {
        if full || instructions.len() >= limit {
            break;
        }
        let last = draft.map(|draft| draft.op());
        let group = next_group(last, decode_cycle, multiplications, random);
        let mut slot = 0;
        while slot < group.len() {
            let top = cycle;
            if draft.is_none_or(|draft| next >= shape(draft.op()).macro_ops.len()) {
                if full || instructions.len() >= limit {
                    break;
                }
                draft = Some(Draft::for_slot(random, group, slot));
                next = 0;
            }
            let Some(current) = &mut draft else { break };
            let shape = shape(current.op());
            let op = &shape.macro_ops[next];

            let earliest = if op.dependent {
                cycle.max(last_result)
            } else {
                cycle
            };
            let Some((mut start, _)) = ports.place(op, earliest) else {
                full = true;
                break;
            };
            // Waits up to some cycles for an operand; gives the instruction up if none comes.
            let mut wait_for = |choose: &mut dyn FnMut(usize) -> bool| {
                (0..LOOK_AHEAD).any(|_| {
                    choose(start) || {
                        start += 1;
                        cycle += 1;
                        false
                    }
                })
            };
            let has_source = shape.source != Some(next)
                || wait_for(&mut |at| current.choose_source(at, &registers, random));
            let has_operands = has_source
                && (shape.destination != next
                    || wait_for(&mut |at| {
                        current.choose_destination(at, given_up > 0, &registers, random)
                    }));
            if !has_operands {
                if given_up < MAX_GIVEN_UP {
                    given_up += 1;
                    next = shape.macro_ops.len();
                    continue;
                }
                draft = None;
                break;
            }
            given_up = 0;

            let Some(place) = ports.place(op, start) else {
                full = true;
                break;
            };
            ports.take(place);
            let start = place.0;
            last_result = start + op.latency;
            if next == shape.result {
                let register = &mut registers.0[usize::from(current.instruction.dst)];
                register.ready = last_result;
                register.deed = Some(current.deed);
            }
            slot += 1;
            next += 1;
            full |= start >= latency;
            cycle = top;
            if next >= shape.macro_ops.len() {
                // Fewer than `limit` are there, and that fits.
                let _ = instructions.push(current.instruction);
                let multiplies = matches!(
                    current.op(),
                    Op::Mul | Op::MulHigh | Op::MulHighSigned | Op::MulReciprocal
                );
                multiplications += usize::from(multiplies);
            }
        }
        cycle += 1;
    }
    Program {
        address: longest_chain(&instructions),
        instructions,
    }
}

/// The first register with the longest chain of dependent instructions, each taking one cycle.
fn longest_chain(instructions: &[Instruction]) -> u8 {
    let mut chains = [0; 8];
    for instruction in instructions {
        let (dst, src) = (usize::from(instruction.dst), usize::from(instruction.src));
        chains[dst] = chains[dst].max(chains[src]) + 1;
    }
    let longest = chains.iter().copied().max().unwrap_or(0);
    let first = (0_u8..).zip(chains).find(|(_, chain)| *chain == longest);
    first.map_or(0, |(register, _)| register)
}
