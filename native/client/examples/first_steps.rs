//! First steps in Rust; docs/clients.md has the same in other languages.

#![expect(clippy::print_stdout, reason = "it shows what came")]

use serde_json::json;
use spindle_client::{Client, ClientSettings, Error, Options};
use spindle_protocol::methods::object::{self, GetParams};
use spindle_protocol::value::{FreeObject, Name};

fn main() -> Result<(), Error> {
    let blender = Client::new(ClientSettings::from_environment()?)?;
    let args = FreeObject::from_iter([("numbers".to_owned(), json!([1, 2, 3]))]);
    let (result, _bytes) = blender.run("sum(args['numbers'])", args, &Options::default())?;
    println!("{}", result.value);
    if let Err(Error::ScriptFailed(failed)) = blender.run("1 / 0", FreeObject::default(), &Options::default()) {
        let exception =
            failed.exception.as_ref().map(|exception| format!("{}: {}", exception.r#type, exception.message));
        println!("{}", exception.unwrap_or_default());
    }
    let nobody = GetParams { name: Name("Nobody".to_owned()), fields: None };
    if let Err(error) = blender.call_typed::<object::Get>(&nobody, &[], &Options::default()) {
        println!("{}", error.kind());
    }
    Ok(())
}
