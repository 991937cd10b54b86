#!/usr/bin/env node
import { main } from '@fx/distill/cli'

process.exitCode = await main(process.argv.slice(2))
