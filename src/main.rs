//! The binary `estampa`: hands the command line to [`estampa::cli`] and exits with its code.

fn main() -> std::process::ExitCode {
    estampa::cli::main()
}
